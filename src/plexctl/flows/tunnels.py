"""The ways to endpoints that only ssh leads to: one tunnel for each deployment and command, closed at its end.

What is recorded and shown is the endpoint on the host; what is dialled is the tunnel's end on this machine.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from plexctl.contract import Provider
    from plexctl.model import Endpoint, Ref

SSH = "ssh"
"""What `Endpoint.tls` says of one that only a tunnel leads to."""


def needs_ssh(endpoint: Endpoint) -> bool:
    """Tell whether only a tunnel leads there."""
    return endpoint.tls == SSH


@dataclass(slots=True)
class _Way:
    """One tunnel, and what it was opened for."""

    ref: Ref
    endpoint: Endpoint
    tunnel: AbstractContextManager[Endpoint]
    end: Endpoint
    """Its end on this machine."""

    def leads_to(self, ref: Ref, endpoint: Endpoint) -> bool:
        """Tell whether it is the way to this endpoint: another host may have the same loopback address."""
        return (self.ref, self.endpoint) == (ref, endpoint)


@dataclass(slots=True)
class Tunnels:
    """What is open. A command, and each part of it, holds it by `with`; with the last of them all is closed."""

    _ways: dict[str, _Way] = field(default_factory=dict, init=False)
    """By the deployment's id."""
    _opening: dict[str, threading.Lock] = field(default_factory=dict, init=False)
    """Held while a deployment's tunnel is being opened; others do not wait for it."""
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _holders: int = field(default=0, init=False)

    def __enter__(self) -> Self:
        with self._lock:
            self._holders += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._holders -= 1
            ended = [] if self._holders else [self._ways.pop(name) for name in list(self._ways)]
        _close(ended)

    def way_to(self, ref: Ref, endpoint: Endpoint, provider: Callable[[], Provider]) -> Endpoint:
        """Return where to dial: the endpoint itself, or the end of a tunnel, which is opened when it is needed first.

        Blocks while it is opened. Raises what the adapter's `tunnel` raises.
        """
        if not needs_ssh(endpoint):
            return endpoint
        with self._lock:
            opening = self._opening.setdefault(ref.id, threading.Lock())
        with opening:
            known = self._ways.get(ref.id)
            if known is not None and known.leads_to(ref, endpoint):
                return known.end
            self.close(ref)
            return self._opened(ref, endpoint, provider())

    @contextmanager
    def held_for(self, ref: Ref) -> Iterator[None]:
        """Hold them; what fails closes its deployment's tunnel at once, before the host is taken away."""
        with self:
            try:
                yield
            except BaseException:
                self.close(ref)
                raise

    def close(self, ref: Ref) -> None:
        """Close a deployment's tunnel, if there is one."""
        with self._lock:
            way = self._ways.pop(ref.id, None)
        _close([way] if way else [])

    def _opened(self, ref: Ref, endpoint: Endpoint, provider: Provider) -> Endpoint:
        from plexctl.contract import Hosted

        if not isinstance(provider, Hosted):
            raise TypeError(f"{provider.name} has no tunnel to {endpoint.url}")
        tunnel = provider.tunnel(ref)
        way = _Way(ref, endpoint, tunnel, tunnel.__enter__())
        with self._lock:
            is_held = self._holders > 0
            if is_held:
                self._ways[ref.id] = way
        if not is_held:
            # The command ended while it was opened, by Ctrl-C for one: nobody is left who would close it.
            _close([way])
            raise RuntimeError("nobody holds the tunnels")
        return way.end


def _close(ways: list[_Way]) -> None:
    with ExitStack() as stack:
        for way in ways:
            stack.push(way.tunnel)

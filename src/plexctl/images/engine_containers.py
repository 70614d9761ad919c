"""Containers, networks and volumes of an engine. Each call asks or tells once; what is not there is None, no error."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from typing import Any

from plexctl.errors import ConflictError, NotFoundError, ProviderError
from plexctl.images.engine import Engine
from plexctl.images.engine_errors import EngineLostError, engine_errors

Found = Mapping[str, Any]
"""What an engine's `inspect` answers (Docker Engine API)."""
PAUSED = "paused"
_RUNNING = ("running", PAUSED, "restarting", "stopping")


class Containers:
    """What runs on an engine."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._api = engine.api

    def container(self, name: str) -> Found | None:
        """Return a container by name or id."""
        return _or_none(f"look at the container {name}", lambda: self._api.inspect_container(name))

    def network(self, name: str) -> Found | None:
        """Return a network by name or id."""
        return _or_none(f"look at the network {name}", lambda: self._api.inspect_network(name))

    def volume(self, name: str) -> Found | None:
        """Return a volume by name."""
        return _or_none(f"look at the volume {name}", lambda: self._api.inspect_volume(name))

    def labelled(self, key: str, value: str) -> list[Found]:
        """Return all containers with a label, whether they run or not."""
        with engine_errors("list containers"):
            found = self._api.containers(all=True, filters={"label": f"{key}={value}"})
        looked_at = (self.container(str(one["Id"])) for one in found)
        return [one for one in looked_at if one is not None]

    def networks_labelled(self, key: str, value: str) -> list[Found]:
        """Return all networks with a label."""
        with engine_errors("list networks"):
            return list(self._api.networks(filters={"label": f"{key}={value}"}))

    def ensure_network(self, name: str, body: Mapping[str, Any]) -> str:
        """Return the id of the network of that name; make it when there is none."""

        def create() -> object:
            return self._api.create_network(name, driver=body["Driver"], labels=dict(body["Labels"]))

        return str(_made_once(f"make the network {name}", lambda: self.network(name), create)["Id"])

    def ensure_volume(self, name: str, body: Mapping[str, Any]) -> None:
        """Make a volume unless there is one of that name."""
        with engine_errors(f"make the volume {name}"):
            self._api.create_volume(name, labels=dict(body["Labels"]))

    def create(self, name: str, body: Mapping[str, Any]) -> str:
        """Make a container and return its id. Raises ConflictError when the name is taken by another's."""

        def create() -> object:
            return self._api.create_container_from_config(dict(body), name)  # type: ignore[no-untyped-call]

        return str(_made_once(f"make the container {name}", lambda: self.container(name), create)["Id"])

    def start(self, name: str) -> None:
        """Start a container. Raises ConflictError when its port is taken."""
        try:
            with engine_errors(f"start the container {name}"):
                self._api.start(name)
        except EngineLostError:
            found = self.container(name)
            if found is None or state_of(found) not in _RUNNING:
                raise

    def wake(self, name: str) -> None:
        """Let a paused container go on; missing is no error."""
        _tell(f"wake the container {name}", lambda: self._api.unpause(name))

    def stop(self, name: str, grace_s: int) -> None:
        """End a container: SIGTERM, SIGKILL after `grace_s`; read back. Missing or ended already is success."""
        found = self.container(name)
        if found is None or state_of(found) not in _RUNNING:
            return
        if state_of(found) == PAUSED:
            self.wake(name)
        _tell(f"stop the container {name}", lambda: self._api.stop(name, timeout=grace_s))
        found = self.container(name)
        if found is not None and state_of(found) in _RUNNING:
            raise ProviderError(f"the container {name} does not end", hint=f"see `{self.engine.command} ps`")

    def remove_container(self, name: str) -> None:
        """Remove a container with what it kept for itself; read back. Missing already is success."""
        _tell(f"remove the container {name}", lambda: self._api.remove_container(name, v=True, force=True))
        if self.container(name) is not None:
            raise ProviderError(f"the container {name} is still there", hint=f"see `{self.engine.command} ps --all`")

    def remove_network(self, name: str) -> None:
        """Remove a network; read back. Missing already is success."""
        _tell(f"remove the network {name}", lambda: self._api.remove_network(name))
        if self.network(name) is not None:
            raise ProviderError(f"the network {name} is still there", hint=f"see `{self.engine.command} network ls`")

    def log_lines(self, name: str, *, follow: bool, tail: int | None) -> Iterator[str]:
        """Yield what a container printed, line by line; with `follow`, go on until it ends."""
        if self.container(name) is None:
            return
        act = f"read the log of {name}"
        with engine_errors(act):
            pieces = self._api.logs(name, stream=True, follow=follow, tail="all" if tail is None else tail)
            begun = b""
            with closing(pieces):
                for piece in pieces:
                    *whole, begun = (begun + piece).split(b"\n")
                    yield from (line.decode(errors="replace") for line in whole)
        if begun:
            yield begun.decode(errors="replace")


def state_of(found: Found) -> str:
    """Return a container's state in the engine's word."""
    return str((found.get("State") or {}).get("Status", "")).lower()


def _or_none(action: str, ask: Callable[[], Found]) -> Found | None:
    try:
        with engine_errors(action):
            return ask()
    except NotFoundError:
        return None


def _tell(action: str, tell: Callable[[], object]) -> None:
    """Tell the engine. What is missing is no error, nor is a lost answer: whoever tells looks afterwards."""
    with suppress(NotFoundError, EngineLostError), engine_errors(action):
        tell()


def _made_once(action: str, look: Callable[[], Found | None], create: Callable[[], object]) -> Found:
    """Return what is there under its name, made now when it was not.

    A create whose answer was lost may have been carried out: it is looked up before anybody repeats it.
    """
    found = look()
    if found is not None:
        return found
    try:
        with engine_errors(action):
            create()
    except (EngineLostError, ConflictError):
        found = look()
        if found is None:
            raise
        return found
    found = look()
    if found is None:
        raise ProviderError(f"cannot {action}: the engine said that it did, and it is not there")
    return found

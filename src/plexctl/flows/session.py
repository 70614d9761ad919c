"""What every flow works with: the user's environment, plexctl's folder, the journal and the providers."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from plexctl.errors import ConfigurationError, NotFoundError
from plexctl.flows.tunnels import Tunnels
from plexctl.nearest import nearest
from plexctl.secret import Secret

if TYPE_CHECKING:
    from plexctl.contract import Provider
    from plexctl.journal import Journal, Record
    from plexctl.model import Endpoint, Ref


async def _sleep(seconds: float) -> None:
    import asyncio

    await asyncio.sleep(seconds)


class Providers(Protocol):
    """Which adapters there are; `plexctl.registry` is the one that users have."""

    def names(self) -> list[str]:
        """Return the names of all that can be used."""

    def provider_class(self, name: str) -> type[Provider]:
        """Return an adapter's class. Raises ConfigurationError for an unknown name, ExtraMissingError."""


class Reporter(Protocol):
    """How a flow tells what it is doing, and asks."""

    def progress(self, text: str) -> None:
        """Tell how far something is."""

    def note(self, text: str) -> None:
        """Tell something that the user should know."""


@dataclass(frozen=True, slots=True)
class Session:
    """One run of plexctl."""

    home: Path
    environ: Mapping[str, str]
    reporter: Reporter
    token: Secret | None = None
    """The access token for endpoints, when the user has one set."""
    now: Callable[[], float] = field(default=time.time)
    monotonic: Callable[[], float] = field(default=time.monotonic)
    """Seconds that only ever go on: what waiting is measured by."""
    sleep: Callable[[float], Awaitable[None]] = field(default=_sleep)
    adapters: Providers | None = None
    """Another registry than plexctl's own."""
    tunnels: Tunnels = field(default_factory=Tunnels)
    """Held by `with` wherever an endpoint is dialled."""

    def journal(self) -> Journal:
        """Open the journal; the caller closes it."""
        from plexctl.journal import open_journal

        return open_journal(self.home, self.now)

    def has_journal(self) -> bool:
        """Tell whether there is a journal at all, so that read-only commands need not create one."""
        try:
            return (self.home / "journal.db").exists()
        except OSError as error:
            words = f"cannot look into {self.home}: {error.strerror}"
            raise ConfigurationError(words, hint="name another folder with PLEXCTL_HOME") from None

    def records(self) -> list[Record]:
        """Return what the journal holds."""
        if not self.has_journal():
            return []
        with self.journal() as journal:
            return journal.records()

    def record(self, name: str) -> Record:
        """Return one deployment. Raises NotFoundError, with the nearest known name, when there is none."""
        by_name = {record.ref.name: record for record in self.records()}
        return require(by_name.get(name), name, by_name)

    @property
    def providers(self) -> Providers:
        """Which adapters there are."""
        from plexctl import registry

        return self.adapters or registry

    def provider(
        self, name: str, secrets: Mapping[str, Secret] | None = None, *, renews_secrets: bool = False
    ) -> Provider:
        """Return the adapter for a provider, given the secrets that its plan may need."""
        from plexctl.contract import Context

        context = Context(
            home=self.home,
            environment=self.environ,
            secrets=secrets or {},
            now=self.now,
            progress=self.reporter.progress,
            renews_secrets=renews_secrets,
        )
        return self.providers.provider_class(name)(context)

    def way_to(self, ref: Ref, endpoint: Endpoint) -> Endpoint:
        """Return where a deployment's endpoint is dialled from here; blocks while a tunnel to it is opened."""
        return self.tunnels.way_to(ref, endpoint, lambda: self.provider(ref.provider))


def require(record: Record | None, name: str, known: Iterable[str]) -> Record:
    """Return the record. Raises NotFoundError, with the nearest known name, when there is none."""
    if record is None:
        raise NotFoundError(
            f"no deployment named {name!r}{nearest(name, known)}", hint="`plexctl list` shows what there is"
        )
    return record

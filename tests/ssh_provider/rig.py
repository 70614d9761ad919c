"""Somebody with machines of their own: the adapter over them, a journal, and what a deploy does without the core."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.machines.client import Person
from tests.machines.machine import Machine

from plexctl.contract import Context
from plexctl.identity import new_id
from plexctl.journal import Entry, Journal, open_journal
from plexctl.model import Deployment, Endpoint, Need, Ref, Status
from plexctl.secret import Secret
from plexctl.spec import Spec, Ssh
from plexctl.states import State
from plexctl_providers.ssh.adapter import SshProvider

TOKEN = "canary-5d1e0a7b"
PATIENCE_S = 60.0


@dataclass
class Owner:
    """A person with a home folder, whose plexctl knows these machines."""

    folder: Path
    machines: tuple[Machine, ...]
    variables: dict[str, str] = field(default_factory=dict)
    secrets: Mapping[str, Secret] = field(default_factory=lambda: {"PLEXCTL_TOKEN": Secret(TOKEN)})
    said: list[str] = field(default_factory=list)
    """What was told while it was at work."""

    @property
    def home(self) -> Path:
        """The folder of plexctl."""
        return self.folder / "plexctl"

    @property
    def environment(self) -> dict[str, str]:
        """Return what the person's shell has."""
        hosts = ",".join(one.destination for one in self.machines)
        return {"HOME": str(self.folder), "PLEXCTL_SSH_HOST": hosts, **self.variables}

    def provider(self) -> SshProvider:
        """Return a fresh adapter."""
        return SshProvider(Context(self.home, self.environment, self.secrets, time.time, self.said.append))

    def journal(self) -> Journal:
        """Open the journal."""
        return open_journal(self.home, time.time)

    def apply(self, entry: Entry) -> Deployment:
        """Check, choose and apply with a fresh adapter, as the core does."""
        provider, spec = self.provider(), entry.record.spec
        provider.preflight(spec)
        return provider.apply(provider.plan(spec, provider.offers(Need())[0]), entry)

    def deploy(self, journal: Journal, spec: Spec | None = None) -> Entry:
        """Record a deployment and apply it."""
        entry = self.begin(journal, spec)
        self.apply(entry)
        return entry

    def begin(self, journal: Journal, spec: Spec | None = None) -> Entry:
        """Record a deployment."""
        spec = spec or self.spec()
        provider = self.provider()
        provider.preflight(spec)
        return journal.begin(Ref("ssh", spec.name, new_id()), spec, provider.offers(Need())[0])

    def spec(self, name: str = "voice") -> Spec:
        """Return a spec for the echo engine on these machines."""
        return Spec(
            name=name, provider="ssh", engine="echo", ssh=Ssh(hosts=tuple(m.destination for m in self.machines))
        )

    def until(self, ref: Ref, *states: State) -> Status:
        """Ask for the status until it is one of these."""
        deadline = time.monotonic() + PATIENCE_S
        while (status := self.provider().status(ref)).state not in states:
            assert time.monotonic() < deadline, status
        return status


def person_in(folder: Path) -> Person:
    """Return a person whose key and known_hosts lie where OpenSSH has them, in a home folder."""
    return Person.new(folder / ".ssh")


def is_ready(endpoint: Endpoint) -> bool:
    """Ask the gateway whether its engine takes callers."""
    from urllib.error import URLError
    from urllib.request import ProxyHandler, build_opener

    try:
        with build_opener(ProxyHandler({})).open(f"{endpoint.url}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except (URLError, ConnectionError, TimeoutError):
        return False


def ready_through(owner: Owner, ref: Ref) -> None:
    """Wait until a deployment's engine takes callers, through a tunnel."""
    owner.until(ref, State.LOADING)
    deadline = time.monotonic() + PATIENCE_S
    with owner.provider().tunnel(ref) as here:
        while not is_ready(here):
            assert time.monotonic() < deadline, "it is not ready"

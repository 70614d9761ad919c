"""What an adapter must do, and what it is given to do it with.

The core owns all waiting, retrying, failover and probing; an adapter asks or tells its provider once and returns.
`docs/architecture.md` draws where this stands; CONTRIBUTING.md shows how to write one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol, runtime_checkable

from plexctl.model import Deployment, Endpoint, Finding, LogLine, Need, Offer, Plan, Ref, Removal, Status, Usage
from plexctl.secret import Secret
from plexctl.spec import Spec


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a provider can do; the support matrix in the docs is derived from these."""

    scale_to_zero: bool = False
    stop_keeps_disk: bool = False
    follows_logs: bool = False
    secret_store: bool = False
    longest_session_s: int | None = None
    tls_at_edge: bool = False
    ends_itself: bool = False
    """A deployment whose lifetime is over ends without plexctl."""
    spot: bool = False
    offers_are_stock: bool = False
    """`offers` lists all that can be had at this moment, and heeds its `Need`: what it leaves out is out of stock."""
    runs_without_gpu: bool = False
    """The echo engine deploys without a GPU, for cents."""
    updates_in_place: bool = False
    """`apply` brings what exists to a plan that differs by the least change, instead of a destroy and a create."""
    scaling: tuple[str, str] | None = None
    """The spec's keys for the fewest and the most replicas, such as `modal.min_containers`."""
    stop_ends_it: bool = False
    """There is no stop: `stop` ends the machine with all that is on it, and `start` makes another. So it is asked."""


def _silent(text: str) -> None:
    """Tell nobody."""
    del text


@dataclass(frozen=True, slots=True)
class Context:
    """What an adapter may touch besides its provider. Only the core builds one."""

    home: Path
    """plexctl's folder for state, cache and configuration."""
    environment: Mapping[str, str]
    """The user's environment; adapters never read the process's own."""
    secrets: Mapping[str, Secret]
    """Values for the names in `Plan.secrets`."""
    now: Callable[[], float]
    """Seconds since the epoch."""
    progress: Callable[[str], None] = _silent
    """Tell the user how far something is that takes long inside one call: an image that is built, weights fetched."""
    renews_secrets: bool = False
    """Send the secrets again although nothing else changed: where a store cannot be read, nobody can compare."""


class DeploymentJournal(Protocol):
    """The record of one deployment, as an adapter writes it while it creates and deletes."""

    @property
    def ref(self) -> Ref:
        """The deployment with what is recorded of its resources so far."""

    def intend(self, kind: str, name: str, detail: Mapping[str, str] | None = None) -> int:
        """Record, durably, that a resource is about to be created; returns the entry's key."""

    def created(self, key: int, resource_id: str, detail: Mapping[str, str] | None = None) -> None:
        """Record the id of what was created, at once after the provider told it."""

    def removed(self, key: int) -> None:
        """Record that what was intended or created was read back as gone."""

    def reached(self, endpoint: Endpoint) -> None:
        """Record where callers go."""


@dataclass(frozen=True, slots=True)
class PureHalf:
    """What an adapter knows without asking anybody: what it would send, and that as files to take away."""

    build_plan: Callable[[Spec, Offer], Plan]
    check: Callable[[Spec, Offer], list[Finding]]
    """What the spec lacks, or what a reader must know of it, on this provider."""
    build_files: Callable[[Spec, Plan], dict[str, str]]
    """Path to text of everything that a deploy would use; what is secret or unknown yet is a placeholder."""


@runtime_checkable
class Provider(Protocol):
    """One way to run PersonaPlex somewhere. Read-only, pure and mutating methods stand in that order."""

    name: ClassVar[str]
    capabilities: ClassVar[Capabilities]

    def __init__(self, context: Context) -> None:
        """Keep the context; no I/O, no import of a vendor's SDK."""

    def preflight(self, spec: Spec) -> list[Finding]:
        """Check what can be checked before anything costs: credentials, quota, what is installed."""

    def offers(self, need: Need) -> list[Offer]:
        """List the concrete GPU choices that meet a need, in no particular order."""

    def status(self, ref: Ref) -> Status:
        """Say what is true now. A deployment that is gone is State.MISSING, not an error."""

    def logs(self, ref: Ref, *, follow: bool, since: float | None, tail: int | None) -> Iterator[LogLine]:
        """Yield log lines, oldest first; with `follow`, go on until the deployment ends."""

    def find(self, name: str | None) -> list[Ref]:
        """Find plexctl's deployments at the provider by names and labels, without any local record."""

    def plan(self, spec: Spec, offer: Offer) -> Plan:
        """Lay out the steps. Pure."""

    def apply(self, plan: Plan, journal: DeploymentJournal) -> Deployment:
        """Make the plan real and return without waiting for readiness.

        Journals the intent, creates, journals the id at once. What the journal already holds is adopted or
        brought back, never created twice; what is there as planned gets no call that changes anything. What other
        deployments share at a cost is journaled as well: a destroy tells that it was kept.
        """

    def stop(self, ref: Ref) -> None:
        """End what costs while it runs; read back. Stopped or missing already is success."""

    def destroy(self, ref: Ref, *, everything: bool = False) -> Removal:
        """Remove the deployment; read back; return what was removed and what was kept. Missing already is success.

        With `everything`, what a next deploy would use again (images, secrets) goes too, unless others use it.
        """


@runtime_checkable
class Bounded(Protocol):
    """An adapter whose provider bounds what one place may hold: only the chosen offer says where."""

    def check_offer(self, spec: Spec, offer: Offer) -> list[Finding]:
        """Check what can be checked of that place before anything costs, such as what is left of its quota."""


@runtime_checkable
class Metered(Protocol):
    """An adapter whose provider scales by itself, so that its age and price do not say what a deployment costs."""

    def usage(self, ref: Ref, since: float) -> Usage:
        """Say what is up now, and what was billed since then, without starting anything."""


@runtime_checkable
class Serving(Protocol):
    """An adapter that can deploy for as long as this process runs, to try things out (`deploy --dev`)."""

    def serve(self, plan: Plan, journal: DeploymentJournal) -> AbstractContextManager[Deployment]:
        """Make the plan real until the context ends, also by this process's death."""


@dataclass(frozen=True, slots=True)
class Login:
    """Credentials that a provider has given out, and that count once their owner has confirmed them."""

    address: str
    """Where the owner confirms them, in a browser."""
    variable: str
    """The environment variable that carries them."""
    value: Secret


@runtime_checkable
class LogsIn(Protocol):
    """An adapter whose provider lets people log in by a browser; `doctor --login` walks through it."""

    def begin_login(self) -> Login:
        """Ask the provider for credentials that have yet to be confirmed. Raises CredentialsError, ProviderError."""

    def check_credentials(self) -> Finding:
        """Say whether the provider takes what the environment has. Raises CredentialsError, ProviderError."""


@runtime_checkable
class Staged(Protocol):
    """An adapter whose `apply` cannot do everything at once: a machine must boot before anything can be put on it."""

    def proceed(self, plan: Plan, journal: DeploymentJournal) -> Status:
        """Do what can be done by now and return: CREATING while there is more to do, anything else when all is done.

        The core calls it after `apply`, again and again, for as long as a start may take. Journals as `apply` does.
        """


@runtime_checkable
class Hosted(Protocol):
    """An adapter whose deployments are on hosts that one can log in to; `ref` tells which host it is."""

    def tunnel(self, ref: Ref) -> AbstractContextManager[Endpoint]:
        """Give the gateway on this machine's loopback, through ssh, until the context ends.

        For endpoints whose `tls` is `ssh`. A connection that breaks is made anew for the next caller.
        """

    def shell(self, ref: Ref) -> tuple[str, ...]:
        """Return the command line of OpenSSH's client that logs in, which believes the pinned host key alone.

        Raises NotFoundError where there is no host to log in to.
        """

    def holdings(self, ref: Ref) -> list[str]:
        """List what plexctl put on the host, as a reader knows it: exactly what a destroy removes there."""

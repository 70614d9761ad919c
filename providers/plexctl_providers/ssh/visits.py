"""Looking at the hosts that one may deploy to, side by side: what each has, whose it is, and what stands in the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from plexctl.errors import ConflictError, PlexError, ProviderError
from plexctl.model import Finding, Level, Offer
from plexctl.side_by_side import ask_all
from plexctl_providers._common.on_host.looking import Sight, look, name_and_id
from plexctl_providers._common.on_host.machine import Machine, connect_to

_VISIT_S = 90.0


@dataclass(frozen=True, slots=True)
class Visit:
    """One host that was looked at."""

    host: str
    """As the user wrote it."""
    sight: Sight
    is_root: bool = False

    @property
    def holder(self) -> str | None:
        """The name of the deployment that it carries, None where there is none."""
        found = name_and_id(self.sight.label)
        return None if found is None else found[0]

    @property
    def offer(self) -> Offer:
        """The host as an offer: with the GPU it has, for nothing."""
        gpus = self.sight.gpus
        gpu = gpus[0].name if gpus else None
        detail = {"host": self.host}
        return Offer("ssh", gpu, len(gpus), self.host, 0.0, "the host itself", None, detail)

    def finding(self, name: str) -> Finding:
        """Say what is there, for a deployment of that name."""
        gpus = self.sight.gpus
        has = f"{len(gpus)} x {gpus[0].name}" if gpus else "no NVIDIA GPU"
        if self.holder not in (None, name):
            words = f"{self.host} carries the deployment {self.sight.label}, and a host has one: it is left alone"
            return Finding("host", Level.WARN, words, "name another host, or destroy that deployment first")
        way = "as root" if self.is_root else "by sudo"
        return Finding("host", Level.OK, f"{self.host}: {has}; {way}; nothing there bills by plexctl's doing")


def visit_all(machines: Mapping[str, Machine]) -> tuple[list[Visit], dict[str, PlexError]]:
    """Look at each host; return those that can be had, and why others cannot."""
    asked = {host: partial(_visit, host, machine) for host, machine in machines.items()}
    visits: list[Visit] = []
    failed: dict[str, PlexError] = {}
    for host, answer in ask_all(asked, _VISIT_S).items():
        if isinstance(answer, Visit):
            visits.append(answer)
        elif isinstance(answer, PlexError):
            failed[host] = answer
        elif isinstance(answer, TimeoutError):
            failed[host] = ProviderError(f"{host}: {answer}", hint="look at the host; it may be busy")
        else:
            raise answer
    return visits, failed


def findings_of(visits: Sequence[Visit], failed: Mapping[str, PlexError], name: str) -> list[Finding]:
    """Say what was found on each host.

    Raises the first error where no host can be had, ConflictError where others' deployments are on all of them.
    """
    if not visits and failed:
        raise next(iter(failed.values()))
    taken = [one.sight.label for one in visits if one.holder not in (None, name)]
    if len(taken) == len(visits) and not failed:
        words = f"every host carries another deployment: {', '.join(taken)}"
        raise ConflictError(words, hint="name another host, or destroy one of these first")
    unreached = [Finding("host", Level.WARN, error.message, error.hint) for error in failed.values()]
    return [*(one.finding(name) for one in visits), *unreached]


def offers_of(visits: Sequence[Visit], name: str | None) -> list[Offer]:
    """Return hosts as offers: first those that carry the deployment already, then free ones, then others'."""
    ranks: dict[str | None, int] = {name: 0, None: 1}
    return [one.offer for one in sorted(visits, key=lambda one: ranks.get(one.holder, 2))]


def _visit(host: str, machine: Machine) -> Visit:
    with connect_to(machine) as opened:
        return Visit(host, look(opened), opened.sudo.is_root)

"""Bringing a host to a running gateway: claim it, put bundle and secrets there, start the bootstrap.

The bootstrap runs on the host, detached from the connection; `looking` tells how far it is. Only its first stages,
which look and change nothing, are waited for: what stands in the way on that host is the error of the deploy itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from plexctl.contract import Context, DeploymentJournal
from plexctl.errors import ConflictError
from plexctl.model import Plan
from plexctl_providers._common.files import resource
from plexctl_providers._common.host import BUNDLE, FILES, GATEWAY_PORT, SECRETS, SECRETS_FILE, STATE
from plexctl_providers._common.on_host.loads import Load, known_of, load_of
from plexctl_providers._common.on_host.looking import Sight, look
from plexctl_providers._common.on_host.machine import Open
from plexctl_providers._common.on_host.places import detail_of
from plexctl_providers._common.on_host.refusals import failure_of

_INCOMING = f"{STATE}/incoming"
_START_S = 90.0
"""The stages that only look take about a second; a Docker that hangs takes longer."""


def bring_up(host: Open, plan: Plan, journal: DeploymentJournal, context: Context) -> bool:
    """Make the plan's FILES and SECRETS real on the host, and start the bootstrap; return whether anything changed.

    Journals both: FILES before anything is put there, with all that finds the host again in its `detail`
    (`places.detail_of`); SECRETS once the bootstrap runs. Secrets' values are those of `context.secrets`; the
    id is the journal's; the expiry is counted from now where the gateway is not running already. What is there as
    planned, and running or on its way, is left alone.

    Raises ConflictError for a host that carries another deployment or whose port is taken, PreflightError for what
    the host lacks (disk, GPU, driver, system), UnhealthyError for what else ends the bootstrap at its start,
    ConnectionLostError.
    """
    return _Bringing(host, plan, journal, context).run()


@dataclass(frozen=True, slots=True)
class _Bringing:
    """One bring-up."""

    host: Open
    plan: Plan
    journal: DeploymentJournal
    context: Context

    def run(self) -> bool:
        sight = look(self.host, digests=True)
        label = self.journal.ref.label
        if sight.label not in ("", label):
            words = f"{self.host.where} carries the deployment {sight.label}, and a host has one"
            raise ConflictError(words, hint="name another host, or destroy that deployment first")
        is_on_its_way = sight.label == label and not sight.is_stopped and _goes_on(sight)
        load = self._load(sight.expires if is_on_its_way else "")
        has_files, has_secrets = sight.bundle == load.bundle_digest, sight.secrets == load.secrets_digest
        if is_on_its_way and has_files and has_secrets:
            self._record()
            return False
        self._bring(load, has_files=has_files, has_secrets=has_secrets)
        return True

    def _load(self, expires: str) -> Load:
        address, now = self.host.machine.address, self.context.now()
        known = known_of(self.plan, self.journal.ref.id, address, now=now, expires=expires)
        return load_of(self.plan, self.context.secrets, known)

    def _bring(self, load: Load, *, has_files: bool, has_secrets: bool) -> None:
        tell, label = self.context.progress, self.journal.ref.label
        detail = self._detail()
        key = self.journal.intend(FILES, label, detail)
        self._run("claim", label)
        if not has_files:
            tell(f"bringing {len(load.files)} files to {self.host.where}")
            self.host.connection.put_tree(f"{_INCOMING}/bundle", load.files)
            self._run("take", "bundle")
        self.journal.created(key, BUNDLE, detail)
        key = self.journal.intend(SECRETS, SECRETS_FILE, detail)
        if not has_secrets:
            self.host.connection.put(f"{_INCOMING}/secrets.env", load.secrets, mode=0o600)
            self._run("take", "secrets")
        tell(f"starting the bootstrap on {self.host.where}")
        self._run("start", timeout_s=_START_S)
        self.journal.created(key, SECRETS_FILE, detail)

    def _record(self) -> None:
        """Record what was there, where the journal does not know it."""
        recorded = {one.kind for one in self.journal.ref.resources if one.id is not None}
        detail = self._detail()
        for kind, name, path in ((FILES, self.journal.ref.label, BUNDLE), (SECRETS, SECRETS_FILE, SECRETS_FILE)):
            if kind not in recorded:
                self.journal.created(self.journal.intend(kind, name, detail), path, detail)

    def _detail(self) -> dict[str, str]:
        settings = cast("Mapping[str, str]", resource(self.plan, FILES).body["bootstrap"])
        return detail_of(self.host) | {GATEWAY_PORT: settings["PORT"]}

    def _run(self, script: str, *arguments: str, timeout_s: float = 60.0) -> None:
        done = self.host.script(script, *arguments, timeout_s=timeout_s)
        if done.code != 0:
            raise failure_of(done.code, f"{done.err}\n{done.out}", self.host.where)


def _goes_on(sight: Sight) -> bool:
    """Tell whether it is up, or will be without anybody's doing."""
    return sight.bootstrap == "running" or sight.boots == "enabled" or (sight.is_up and sight.ended == 0)

"""A deployment as a detached process of this machine: the steps that make, find and end it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import plexctl
from plexctl.contract import Context, DeploymentJournal
from plexctl.errors import ProviderError
from plexctl.model import (
    CREATED_AT,
    LABEL_PREFIX,
    Deployment,
    Endpoint,
    Finding,
    Level,
    LogLine,
    Offer,
    Plan,
    Ref,
    Removal,
    Resource,
    Status,
)
from plexctl.spec import Spec
from plexctl.states import State
from plexctl_providers._common.ages import moment_of
from plexctl_providers.local import process, requests
from plexctl_providers.local.loglines import ending, since_filter
from plexctl_providers.local.settings import FIRST_PORT, LAST_WORDS, STOP_GRACE_S, endpoint_on, secrets_of


class ProcessRuntime:
    """Runs the gateway on 127.0.0.1; survives the CLI."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def preflight(self, spec: Spec, offer: Offer) -> list[Finding]:
        """Check that this system can run it, and say which engine that will be."""
        if sys.platform == "win32":
            message = "the local provider's processes need Linux or macOS"
            return [Finding("system", Level.FAIL, message, "use WSL, local.runtime docker, or another provider")]
        return requests.check_engine(spec, offer)

    def status(self, ref: Ref) -> Status:
        """Say whether its process lives; what the gateway says is for the core to ask."""
        folder = self._folder(ref)
        endpoint = self._endpoint(ref)
        if folder.is_alive() and endpoint is None:
            return Status(State.CREATING, None, "its deploy was cut short: deploy it again, or destroy it")
        if folder.is_alive():
            return Status(State.LOADING, endpoint, "the gateway is running")
        if not folder.exists():
            return Status(State.MISSING, endpoint, "there is no such process")
        last = folder.last_lines(LAST_WORDS)
        why = ending(last)
        if why is not None:
            return Status(State.STOPPED, endpoint, f"ended: {why}")
        return Status(State.FAILED, endpoint, f"its process is gone; its last words: {last[-1] if last else 'none'}")

    def logs(self, ref: Ref, *, follow: bool, since: float | None, tail: int | None) -> Iterator[LogLine]:
        """Read the log file; follow it while a process of the deployment lives."""
        folder = self._folder(ref)
        yield from since_filter(process.read(folder.log, tail, folder.is_alive if follow else None), since)

    def find(self) -> list[Ref]:
        """Find deployments by their folders."""
        return [_aged(self._ref_of(path), path) for path in self._root.glob(f"{LABEL_PREFIX}*-*") if path.is_dir()]

    def apply(self, plan: Plan, journal: DeploymentJournal) -> Deployment:
        """Start the gateway, or adopt the one that runs."""
        ref = journal.ref
        folder = self._folder(ref)
        recorded = ref.first(requests.PROCESS)
        endpoint = self._endpoint(ref)
        if folder.is_alive() and recorded and recorded.id and endpoint:
            journal.reached(endpoint)
            return Deployment(journal.ref, endpoint, changed=False)
        if not process.end(folder, grace_s=0):
            raise ProviderError(f"a process of {ref.label} does not end")
        asked = cast("int | None", plan.resources[0].body["port"])
        before = folder.port() or FIRST_PORT
        key = journal.intend(requests.PROCESS, ref.label)
        with process.listen(asked, before) as listener:
            port = str(listener.getsockname()[1])
            pid = process.spawn(folder, self._environment(plan, port), listener)
        journal.created(key, str(pid), {"port": port})
        endpoint = endpoint_on(port)
        journal.reached(endpoint)
        return Deployment(journal.ref, endpoint)

    def stop(self, ref: Ref) -> None:
        """End the whole process group and read back that nothing of it lives."""
        if not process.end(self._folder(ref), STOP_GRACE_S):
            raise ProviderError(f"processes of {ref.label} do not end", hint="see `ps` for what holds them")

    def destroy(self, ref: Ref) -> Removal:
        """Stop it and remove its folder."""
        folder = self._folder(ref)
        existed = folder.exists()
        self.stop(ref)
        process.remove(folder)
        return Removal(tuple(one for one in ref.resources if existed and one.kind == requests.PROCESS))

    @property
    def _root(self) -> Path:
        return self._context.home / "local"

    def _folder(self, ref: Ref) -> process.RunFolder:
        return process.RunFolder(self._root / ref.label)

    def _ref_of(self, path: Path) -> Ref:
        name, _, identity = path.name.removeprefix(LABEL_PREFIX).rpartition("-")
        ref = Ref("local", name, identity)
        folder = process.RunFolder(path)
        pid, port = folder.pid(), folder.port()
        detail = {"port": str(port)} if port else {}
        return replace(ref, resources=(Resource(requests.PROCESS, ref.label, str(pid) if pid else None, detail),))

    def _endpoint(self, ref: Ref) -> Endpoint | None:
        """Return where its callers go: as recorded, or as its folder says when the record was cut short."""
        recorded = ref.first(requests.PROCESS)
        port = recorded.detail.get("port") if recorded else None
        found = port or self._folder(ref).port()
        return endpoint_on(found) if found else None

    def _environment(self, plan: Plan, port: str) -> dict[str, str]:
        body = plan.resources[0].body
        settings = dict(cast("dict[str, str]", body["environment"])) | {"PLEXCTL_PORT": port}
        if body["ttl_s"] is not None:
            settings["PLEXCTL_EXPIRES_AT"] = f"{self._context.now() + cast('float', body['ttl_s']):.0f}"
        secrets = secrets_of(plan, self._context.secrets)
        import_path = str(Path(plexctl.__file__).parent.parent)
        return requests.child_environment(settings, self._context.environment, secrets, import_path)


def _aged(ref: Ref, folder: Path) -> Ref:
    """Return it with the moment at which its folder changed last: its start, since its files are only written on."""
    try:
        told = moment_of(CREATED_AT, folder.stat().st_mtime)
    except OSError:
        return ref
    return replace(ref, resources=tuple(replace(one, detail={**one.detail, **told}) for one in ref.resources))

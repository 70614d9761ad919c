"""The local provider: one detached gateway process on this machine."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, cast

import plexctl
from plexctl.contract import Capabilities, Context, DeploymentJournal
from plexctl.errors import PreflightError, ProviderError
from plexctl.model import (
    LABEL_PREFIX,
    Deployment,
    Endpoint,
    Finding,
    Level,
    LogLine,
    Need,
    Offer,
    Plan,
    Ref,
    Resource,
    Status,
)
from plexctl.spec import Spec
from plexctl.states import State
from plexctl_providers.local import process, requests
from plexctl_providers.local.loglines import ending, since_filter

_LAST_WORDS = 200
"""Lines of the log among which the reason of an orderly end is looked for."""
_STOP_GRACE_S = 25.0
"""Longer than the gateway drains, so that it ends its conversations in order."""


class LocalProvider:
    """Runs the gateway on 127.0.0.1; costs nothing; survives the CLI."""

    name: ClassVar[str] = "local"
    capabilities: ClassVar[Capabilities] = Capabilities(stop_keeps_disk=True, follows_logs=True, ends_itself=True)

    def __init__(self, context: Context) -> None:
        self._context = context

    def preflight(self, spec: Spec) -> list[Finding]:
        """Check that this system can run it, and say which engine that will be."""
        if sys.platform == "win32":
            message = "the local provider's processes need Linux or macOS"
            return [Finding("system", Level.FAIL, message, "use WSL, or another provider")]
        return requests.check(spec, self.offers(Need())[0])

    def offers(self, need: Need) -> list[Offer]:
        """Offer this machine; it is free, so that no need is refused here."""
        del need
        gpu = process.has_gpu()
        return [
            Offer(
                provider=self.name,
                gpu=gpu,
                count=1 if gpu else 0,
                region=None,
                price_usd_per_hour=0.0,
                source="this machine",
                as_of=None,
            )
        ]

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
        last = folder.last_lines(_LAST_WORDS)
        why = ending(last)
        if why is not None:
            return Status(State.STOPPED, endpoint, f"ended: {why}")
        return Status(State.FAILED, endpoint, f"its process is gone; its last words: {last[-1] if last else 'none'}")

    def logs(self, ref: Ref, *, follow: bool, since: float | None, tail: int | None) -> Iterator[LogLine]:
        """Read the log file; follow it while a process of the deployment lives."""
        folder = self._folder(ref)
        yield from since_filter(process.read(folder.log, tail, folder.is_alive if follow else None), since)

    def find(self, name: str | None) -> list[Ref]:
        """Find deployments by their folders."""
        folders = (path for path in self._root.glob(f"{LABEL_PREFIX}*-*") if path.is_dir())
        refs = sorted(map(self._ref_of, folders), key=lambda ref: (ref.name, ref.id))
        return [ref for ref in refs if name in (None, ref.name)]

    def plan(self, spec: Spec, offer: Offer) -> Plan:
        """Lay out the one process."""
        return requests.build_plan(spec, offer)

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
        before = folder.port() or requests.FIRST_PORT
        key = journal.intend(requests.PROCESS, ref.label)
        with process.listen(asked, before) as listener:
            port = str(listener.getsockname()[1])
            pid = process.spawn(folder, self._environment(plan, port), listener)
        journal.created(key, str(pid), {"port": port})
        endpoint = _endpoint(port)
        journal.reached(endpoint)
        return Deployment(journal.ref, endpoint)

    def stop(self, ref: Ref) -> None:
        """End the whole process group and read back that nothing of it lives."""
        if not process.end(self._folder(ref), _STOP_GRACE_S):
            raise ProviderError(f"processes of {ref.label} do not end", hint="see `ps` for what holds them")

    def destroy(self, ref: Ref) -> list[Resource]:
        """Stop it and remove its folder."""
        folder = self._folder(ref)
        existed = folder.exists()
        self.stop(ref)
        process.remove(folder)
        return [resource for resource in ref.resources if existed]

    @property
    def _root(self) -> Path:
        return self._context.home / "local"

    def _folder(self, ref: Ref) -> process.RunFolder:
        return process.RunFolder(self._root / ref.label)

    def _ref_of(self, path: Path) -> Ref:
        name, _, identity = path.name.removeprefix(LABEL_PREFIX).rpartition("-")
        ref = Ref(self.name, name, identity)
        folder = process.RunFolder(path)
        pid, port = folder.pid(), folder.port()
        detail = {"port": str(port)} if port else {}
        return replace(ref, resources=(Resource(requests.PROCESS, ref.label, str(pid) if pid else None, detail),))

    def _endpoint(self, ref: Ref) -> Endpoint | None:
        """Return where its callers go: as recorded, or as its folder says when the record was cut short."""
        recorded = ref.first(requests.PROCESS)
        port = recorded.detail.get("port") if recorded else None
        found = port or self._folder(ref).port()
        return _endpoint(str(found)) if found else None

    def _environment(self, plan: Plan, port: str) -> dict[str, str]:
        body = plan.resources[0].body
        settings = dict(cast("dict[str, str]", body["environment"])) | {"PLEXCTL_PORT": port}
        if body["ttl_s"] is not None:
            settings["PLEXCTL_EXPIRES_AT"] = f"{self._context.now() + cast('float', body['ttl_s']):.0f}"
        missing = [name for name in plan.secrets if name not in self._context.secrets]
        if missing:
            raise PreflightError(f"no value was supplied for {', '.join(missing)}")
        secrets = {name: self._context.secrets[name] for name in plan.secrets}
        import_path = str(Path(plexctl.__file__).parent.parent)
        return requests.child_environment(settings, self._context.environment, secrets, import_path)


def _endpoint(port: str) -> Endpoint:
    address = f"{requests.HOST}:{port}"
    return Endpoint(url=f"http://{address}", wss_url=f"ws://{address}/api/chat", tls="none")

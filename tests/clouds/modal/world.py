"""Modal's world for the contract's tests: the loopback Modal, and what is looked up in its books."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from grpclib.const import Status
from modal_proto import api_pb2
from tests.clouds.modal import Fault as CloudFault
from tests.clouds.modal import Modal
from tests.clouds.modal.state import App, Call
from tests.contract.worlds import UNDOCUMENTED, Fault

from plexctl.contract import Context, Provider
from plexctl.errors import CredentialsError, LicenceError, PreflightError, ProviderError
from plexctl.model import Offer, Ref
from plexctl.secret import Secret
from plexctl.spec import Spec
from plexctl.spec.targets import Modal as ModalSpec
from plexctl_providers.modal.adapter import ModalProvider

_SECRETS = {"PLEXCTL_TOKEN": Secret("an-access-token"), "HF_TOKEN": Secret("hf_a-hub-token")}
_STATES = {
    "initializing": api_pb2.APP_STATE_INITIALIZING,
    "ephemeral": api_pb2.APP_STATE_EPHEMERAL,
    "detached": api_pb2.APP_STATE_DETACHED,
    "detached, disconnected": api_pb2.APP_STATE_DETACHED_DISCONNECTED,
    "deployed": api_pb2.APP_STATE_DEPLOYED,
    "stopping": api_pb2.APP_STATE_STOPPING,
    "stopped": api_pb2.APP_STATE_STOPPED,
    "disabled": api_pb2.APP_STATE_DISABLED,
    UNDOCUMENTED: 99,
}
_VERBS = {
    "SecretGetOrCreate": "send",
    "SecretUpdate": "send",
    "SecretDelete": "delete",
    "VolumeGetOrCreate": "create",
    "VolumeDelete": "delete",
    "AppStop": "stop",
    "AppSetTags": "tag",
}


class ModalWorld:
    """The loopback Modal and an adapter for it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.cloud = Modal().__enter__()

    def provider(self, secrets: Mapping[str, Secret] | None = None) -> Provider:
        """Return a fresh adapter over the same account."""
        given = {**_SECRETS, **(secrets or {})}
        return ModalProvider(Context(self.home, self.cloud.environment_variables, given, time.time))

    def spec(self, name: str, secrets: tuple[str, ...] = ()) -> Spec:
        """Ask for the model: volume, weights, secret and app are made; the containers run the echo engine."""
        return Spec(name=name, provider="modal", engine="personaplex", secrets=secrets)

    def running(self, ref: Ref) -> int:
        """Count the apps that take callers."""
        serving = (api_pb2.APP_STATE_DEPLOYED, api_pb2.APP_STATE_EPHEMERAL)
        return sum(app.state in serving for app in self._apps(ref))

    def kill(self, ref: Ref) -> None:
        """Stop its apps, as somebody would in the dashboard."""
        for app in self._apps(ref):
            self.cloud.kill(app)

    def places_of(self, value: str) -> list[str]:
        """Look into every file below the home, the secrets' store, and everything else that Modal was sent."""
        needle = value.encode()
        found = [str(path) for path in self.home.rglob("*") if path.is_file() and needle in path.read_bytes()]
        found += [f"secret {one.name}" for one in self.cloud.secrets.values() if value in one.values.values()]
        calls = (call for call in self.cloud.requests if needle in call.request.SerializeToString())
        return sorted(found + [call.method for call in calls if not _is_of_secrets(call)])

    def expected_places(self, ref: Ref) -> list[str]:
        """Only the deployment's secret."""
        return [f"secret {ref.label}"]

    def mutations(self) -> list[str]:
        """Read the calls; an app's many are one, as are a secret's two."""
        told: list[str] = []
        is_over = True
        for call in list(self.cloud.changed):
            one = self._mutation(call)
            if one is not None and (is_over or told[-1] != one):
                told.append(one)
            is_over = call.method == "AppPublish" and call.request.app_state == api_pb2.APP_STATE_DEPLOYED
        return told

    def exists(self) -> list[tuple[str, str]]:
        """Return live apps, named secrets and volumes."""
        apps = [("fetch-app" if app.description.endswith("-fetch") else "app", app.description) for app in self._live()]
        secrets = [("secret", one.name) for one in self.cloud.secrets.values() if one.name]
        return sorted([*apps, *secrets, *(("volume", one.name) for one in self.cloud.volumes.values())])

    def lose_the_next_answer(self) -> None:
        """Cut the stream after the next call that changes something."""
        self.cloud.loses_next_change = True

    def keep_the_next_deleted(self) -> None:
        """Keep the secret or volume that is deleted next."""
        self.cloud.keeps_next_deleted = True

    def faults(self) -> Mapping[str, Fault]:
        """Return what Modal refuses, and how."""
        return dict(_faults(self.cloud))

    def native_states(self) -> Mapping[str, Callable[[], None]]:
        """Return each state of Modal's protocol (`AppState`, modal 1.6.4)."""

        def bring_about(state: int) -> Callable[[], None]:
            def set_state() -> None:
                for app in self.cloud.apps.values():
                    if app.description.startswith("plexctl-voice-") and app.name:
                        app.state = state

            return set_state

        return {name: bring_about(state) for name, state in _STATES.items()}

    def close(self) -> None:
        """End the cloud."""
        self.cloud.__exit__()

    def _apps(self, ref: Ref) -> list[App]:
        return [app for app in list(self.cloud.apps.values()) if app.description == ref.label and app.is_alive]

    def _live(self) -> list[App]:
        return [app for app in list(self.cloud.apps.values()) if app.is_alive]

    def _mutation(self, call: Call) -> str | None:
        """Return `verb kind name` for a call; None for one that belongs to an app which the call before told of."""
        request: Any = call.request
        verb = _VERBS.get(call.method)
        if call.method == "SecretGetOrCreate":
            return f"{verb} secret {request.deployment_name}" if request.deployment_name else None
        if call.method.startswith("Secret"):
            return f"{verb} secret {self.cloud.names.get(request.secret_id)}"
        if call.method == "VolumeGetOrCreate":
            return f"{verb} volume {request.deployment_name}"
        if call.method == "VolumeDelete":
            return f"{verb} volume {self.cloud.names.get(request.volume_id)}"
        app_id = getattr(request, "app_id", "")
        name = request.description if call.method == "AppCreate" else self.cloud.names.get(app_id)
        if name is None:
            return None
        is_fetch = name.endswith("-fetch")
        return f"{verb or ('run' if is_fetch else 'deploy')} {'fetch-app' if is_fetch else 'app'} {name}"


def _is_of_secrets(call: Call) -> bool:
    return call.method in ("SecretGetOrCreate", "SecretUpdate")


def _faults(cloud: Modal) -> Iterator[tuple[str, Fault]]:
    def refusing(method: str, status: Status, words: str) -> Callable[[], None]:
        return lambda: cloud.faults.append(CloudFault(method, status, words))

    def change(name: str, value: object) -> Callable[[], None]:
        return lambda: setattr(cloud, name, value)

    def mended() -> None:
        cloud.faults.clear()
        cloud.token = token

    token = cloud.token
    yield "bad token", Fault(change("token", ("ak-other", "as-other")), CredentialsError, "modal token new", mended)
    denied = refusing("AppCreate", Status.PERMISSION_DENIED, "your role may not create apps")
    yield "missing permission", Fault(denied, CredentialsError, "may not create apps")
    yield (
        "image build",
        Fault(change("build_failure", ("ERROR: no such package",)), ProviderError, "ERROR: no such package"),
    )
    quota = refusing("FunctionCreate", Status.RESOURCE_EXHAUSTED, "workspace limit of 10 GPUs reached")
    yield "quota of GPUs", Fault(quota, PreflightError, "limit of 10 GPUs")
    apps = refusing("AppCreate", Status.RESOURCE_EXHAUSTED, "workspace limit of apps reached")
    yield "quota of apps", Fault(apps, PreflightError, "limit of apps")
    gone = Offer("modal", "L4", 1, None, 0.8, "a sample", "2026-11-20")
    yield "unknown GPU", Fault(lambda: cloud.gpus.discard("L4"), PreflightError, "Invalid GPU type", offer=gone)
    elsewhere = Spec(name="voice", provider="modal", engine="personaplex", modal=ModalSpec(environment="elsewhere"))
    yield "unknown environment", Fault(lambda: None, PreflightError, "elsewhere", spec=elsewhere)
    licence = change("fetch_failure", ("the licence of nvidia/personaplex-7b-v1 was not accepted", "licence"))
    yield "licence", Fault(licence, LicenceError, "check-license")
    broken = change("fetch_failure", ("the Hub does not answer", None))
    yield "weights", Fault(broken, ProviderError, "the Hub does not answer")
    down = refusing("AppPublish", Status.UNAVAILABLE, "upstream connect error")
    yield "Modal is down", Fault(down, ProviderError, "status.modal.com")
    yield "network gone", Fault(cloud.leave_at("FunctionCreate"), ProviderError, "status.modal.com", cloud.come_back)

"""RunPod as the contract's tests see it: the loopback cloud, and what is looked at behind plexctl's back."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.clouds.runpod.faults import FULL
from tests.clouds.runpod.server import RunPod
from tests.clouds.runpod.state import Pod
from tests.contract.worlds import UNDOCUMENTED, Fault

from plexctl.contract import Context, Provider
from plexctl.errors import (
    CredentialsError,
    NoCapacityError,
    PreflightError,
    ProviderError,
    UnhealthyError,
)
from plexctl.model import Ref
from plexctl.secret import Secret
from plexctl.spec import Image, Spec
from plexctl_providers._common.clock import Clock
from plexctl_providers.runpod.account import GRAPHQL
from plexctl_providers.runpod.adapter import RunPodProvider

IMAGE = "ghcr.io/me/personaplex@sha256:" + "a" * 64
SECRETS = {"PLEXCTL_TOKEN": Secret("loopback-token"), "HF_TOKEN": Secret("hf_loopback")}
CUDA = (
    "OCI runtime create failed: nvidia-container-cli: requirement error: unsatisfied condition: cuda>=12.8, "
    "please update your driver"
)


class RunPodWorld:
    """The loopback RunPod. The vendor's SDK takes its address from this process's environment: it is set here."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.cloud = RunPod().__enter__()
        self.cloud.running.is_lazy = True
        self._before = os.environ.get(GRAPHQL)
        os.environ[GRAPHQL] = self.cloud.url

    def provider(self, secrets: Mapping[str, Secret] | None = None) -> Provider:
        """Return a fresh adapter whose waiting takes no time."""
        clock = self.cloud.clock
        context = Context(self.home, self.cloud.environment_variables, SECRETS | dict(secrets or {}), clock.wall)
        return RunPodProvider(context, clock=Clock(clock.now, clock.sleep))

    def spec(self, name: str, secrets: tuple[str, ...] = ()) -> Spec:
        """Ask for the model on a GPU, with a volume for its weights."""
        return Spec(name=name, provider="runpod", engine="personaplex", image=Image(name=IMAGE), secrets=secrets)

    def running(self, ref: Ref) -> int:
        """Count pods that are billed as running."""
        return sum(pod.is_up for pod in self.cloud.named(ref.label))

    def kill(self, ref: Ref) -> None:
        """Let the container fail."""
        for pod in self.cloud.named(ref.label):
            self.cloud.accident(pod)

    def places_of(self, value: str) -> list[str]:
        """Look into files below the home, pods, logs, and every request but the create's own environment."""
        files = (path for path in self.home.rglob("*") if path.is_file())
        found = [str(path.relative_to(self.home)) for path in files if value.encode() in path.read_bytes()]
        for pod in self.cloud.pods.values():
            found += ["a pod's environment"] * (value in json.dumps(pod.body.get("env", {})))
            found += ["a pod"] * (value in json.dumps({**pod.body, "env": {}}))
            found += ["a log"] * any(value in line.text for line in pod.lines)
        for one in self.cloud.seen:
            body = json.loads(one.body) if one.body and one.operation in ("create", "update") else {}
            rest = json.dumps({**body, "env": {}}) if body else one.body
            found += ["a request"] * (value in f"{one.path} {one.headers} {rest}")
        return sorted(found)

    def expected_places(self, ref: Ref) -> list[str]:
        """Only where RunPod puts what the create's environment says."""
        del ref
        return ["a pod's environment"]

    def mutations(self) -> list[str]:
        """Return what changed at RunPod."""
        return list(self.cloud.mutations)

    def exists(self) -> list[tuple[str, str]]:
        """Return all pods."""
        return sorted(("pod", pod.name) for pod in self.cloud.pods.values())

    def lose_the_next_answer(self) -> None:
        """Let a proxy before the API give up on the next create."""
        self.cloud.fail("create", 504, after=True, plain=True)

    def keep_the_next_deleted(self) -> None:
        """Let RunPod say that it deletes, and do nothing, as often as it is asked in one destroy."""
        self.cloud.keeps_deleted = 3

    def faults(self) -> Mapping[str, Fault]:
        """Return ways in which a deploy fails."""
        cloud = self.cloud
        always = {"times": None}

        def mend() -> None:
            cloud.faults.clear()

        def have(name: str, value: object) -> Callable[[], None]:
            return lambda: setattr(cloud, name, value)

        def fail(operation: str, status: int, detail: str = "") -> Callable[[], None]:
            return lambda: cloud.fail(operation, status, detail, **always)

        return {
            "no capacity": Fault(fail("create", 400, FULL), NoCapacityError, "no longer any instances"),
            "no words": Fault(fail("create", 400, "request could not be processed"), NoCapacityError, "every one"),
            "no balance": Fault(have("balance", 0.0), PreflightError, "add funds"),
            "spend limit": Fault(have("spend_limit", -1.0), PreflightError, "limit"),
            "unpaid": Fault(fail("create", 402, "Insufficient balance"), PreflightError, "add funds"),
            "limit told late": Fault(fail("create", 400, "Spend limit reached"), PreflightError, "spend limit"),
            "bad key": Fault(fail("list", 401, "invalid API key"), CredentialsError, "RUNPOD_API_KEY", mend),
            "no right": Fault(fail("create", 403, "access denied"), CredentialsError, "the right"),
            "contract": Fault(fail("create", 422, "Request validation failed."), ProviderError, "report it"),
            "outage": Fault(fail("create", 503, "unavailable"), ProviderError, "looks for it by its name"),
            "dropped": Fault(fail("create", 0), ProviderError, "no answer from RunPod"),
            "bad host": Fault(lambda: setattr(cloud.running, "trouble", CUDA), UnhealthyError, "cuda>=12.8"),
        }

    def native_states(self) -> Mapping[str, Callable[[], None]]:
        """Return what RunPod calls pods."""
        names = ("PROVISIONING", "STARTING", "RUNNING", "EXITED", "ERROR", "TERMINATED")

        def call(name: str) -> Callable[[], None]:
            def force() -> None:
                for pod in self.cloud.pods.values():
                    pod.forced = name

            return force

        return {name: call(name) for name in names} | {UNDOCUMENTED: call("HIBERNATING")}

    def close(self) -> None:
        """End everything."""
        os.environ.pop(GRAPHQL)
        if self._before is not None:
            os.environ[GRAPHQL] = self._before
        self.cloud.__exit__(None, None, None)

    def pod(self, name: str = "voice") -> Pod:
        """Return the one pod of a deployment."""
        (found,) = [pod for pod in self.cloud.pods.values() if pod.name.startswith(f"plexctl-{name}-")]
        return found

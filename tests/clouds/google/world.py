"""The loopback Google as a ground for the contract's tests."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.clouds.google.faults import CREATES, DELETES, Fault, How
from tests.clouds.google.server import Google
from tests.clouds.google.state import RefusedError, Service
from tests.contract import worlds

from plexctl.contract import Context, Provider
from plexctl.errors import (
    ConfigurationError,
    CredentialsError,
    NoCapacityError,
    PlexError,
    PreflightError,
    ProviderError,
    UnhealthyError,
)
from plexctl.model import Offer, Ref
from plexctl.secret import Secret
from plexctl.spec import CloudRun, Spec
from plexctl_providers.cloudrun.adapter import CloudRunProvider

SECRETS = {"PLEXCTL_TOKEN": Secret("token-of-the-world"), "HF_TOKEN": Secret("hf_of_the_world")}
_SERVICES = "run.projects.locations.services"


@dataclass
class CloudRunWorld:
    """A project with nothing in it. Instances start when somebody calls: most of the contract needs none."""

    home: Path

    def __post_init__(self) -> None:
        self.google = Google(runs_at_once=False).__enter__()

    def provider(self, secrets: Mapping[str, Secret] | None = None) -> Provider:
        """Return a fresh adapter."""
        return CloudRunProvider(Context(self.home, self.google.environment, {**SECRETS, **(secrets or {})}, time.time))

    def spec(self, name: str, secrets: tuple[str, ...] = ()) -> Spec:
        """Ask for the whole of it: an image to build, weights in a bucket, both secrets."""
        return Spec(name=name, provider="cloudrun", engine="personaplex", secrets=secrets)

    def running(self, ref: Ref) -> int:
        """Count services that let somebody in."""
        return sum(one.label == ref.label and not one.is_stopped for one in self.google.books.services.values())

    def kill(self, ref: Ref) -> None:
        """Delete the service behind plexctl's back."""
        for name in [one.name for one in self.google.books.services.values() if one.label == ref.label]:
            self.google.run.remove(name)

    def places_of(self, value: str) -> list[str]:
        """Look into plexctl's files, into everything that came in but what a version is made of, and into the store."""
        needle = value.encode()
        found = [str(path) for path in self.home.rglob("*") if path.is_file() and needle in path.read_bytes()]
        for seen in self.google.requests:
            if not seen.method.endswith(".addVersion"):
                texts = (seen.path.encode(), repr(seen.headers).encode(), seen.content)
                found += [f"{seen.verb} {seen.path}" for text in texts if needle in text]
        encoded = base64.b64encode(needle).decode()
        for name, versions in self.google.books.versions.items():
            found += [f"secret {name.rpartition('/')[2]}" for one in versions if one == encoded]
        return sorted(found)

    def expected_places(self, ref: Ref) -> list[str]:
        """Only the secret's one version."""
        return [f"secret {ref.label}-PLEXCTL_TOKEN"]

    def mutations(self) -> list[str]:
        """Return what was done, in the plan's words."""
        return list(self.google.mutations)

    def exists(self) -> list[tuple[str, str]]:
        """Return what there is; which APIs are on is not among it, as they stay on."""
        books = self.google.books
        found = [("service", _last(name)) for name in books.services]
        found += [("secret", _last(name)) for name in books.secrets]
        found += [("repository", _last(name)) for name in books.repositories]
        found += [("image", _last(name)) for name in books.tags]
        found += [(f"{name.rpartition('-')[2]}-bucket", name) for name in books.buckets]
        return sorted(found)

    def lose_the_next_answer(self) -> None:
        """Close the connection after the next create."""
        self.google.fail(Fault(CREATES, How.LOST, times=1))

    def keep_the_next_deleted(self) -> None:
        """Answer the next delete, and do nothing."""
        self.google.fail(Fault(DELETES, How.IGNORED, times=1))

    def faults(self) -> Mapping[str, worlds.Fault]:
        """Return the ways in which Google fails."""
        return _faults(self)

    def native_states(self) -> Mapping[str, Callable[[], None]]:
        """Return the states of a service's condition."""

        def condition(state: str) -> Callable[[], None]:
            return lambda: _service(self.google).condition.update(state=state, message="said by Google")

        states = ("CONDITION_PENDING", "CONDITION_FAILED", "CONDITION_SUCCEEDED")
        return {
            **{state: condition(state) for state in states},
            worlds.UNDOCUMENTED: condition("CONDITION_DREAMING"),
            "CONDITION_RECONCILING": self._reconcile,
            "stopped": lambda: (
                _service(self.google).body["scaling"].update(scalingMode="MANUAL", manualInstanceCount=0)
            ),
            "gone": lambda: self.google.run.remove(_service(self.google).name),
        }

    def close(self) -> None:
        """End everything."""
        self.google.__exit__()

    def _reconcile(self) -> None:
        self.google.run.start_s = 1e9
        _service(self.google).condition.update(state="CONDITION_RECONCILING", message="")


def _faults(world: CloudRunWorld) -> dict[str, worlds.Fault]:
    google = world.google

    def refuse(method: str, *error: Any, times: int = 1_000_000, **more: Any) -> Callable[[], None]:
        return lambda: _do(google.fail(Fault(method, refusal=RefusedError(*error, **more), times=times)))

    def fails(message: str, reason: str | None = None) -> Callable[[], None]:
        return lambda: setattr(google.run, "failure", {"message": message, **({"reason": reason} if reason else {})})

    def fault(begin: Callable[[], None], error: type[PlexError], says: str, **more: Any) -> worlds.Fault:
        return worlds.Fault(begin, error, says, **more)

    spec, mended = world.spec("voice"), {"end": google.faults.clear}
    elsewhere = Spec(name="voice", provider="cloudrun", engine="personaplex", cloudrun=CloudRun(project="no-such-one"))
    bad_build = {"detail": "Build step failed", "lines": ["Step 7/9", "ERROR: no matching torch"]}
    no_gpu = "Quota exceeded for total allowable count of GPUs per project per region."
    return {
        "bad token": fault(
            refuse("*", 401, "Request had invalid authentication credentials."),
            CredentialsError,
            "gcloud auth application-default login",
            **mended,
        ),
        "missing permission": fault(
            lambda: google.books.lacking.add("run.services.create"), PreflightError, "run.services.create"
        ),
        "permission taken meanwhile": fault(
            lambda: google.books.lacking.add("secretmanager.versions.add"),
            CredentialsError,
            "secretmanager.versions.add",
        ),
        "wrong project": fault(_nothing, ConfigurationError, "gcloud projects list", spec=elsewhere, end=_nothing),
        "build failed": fault(
            lambda: setattr(google, "build_failure", bad_build), ProviderError, "ERROR: no matching torch"
        ),
        "quota of memory": fault(
            lambda: google.books.quotas.update(MemAllocPerProjectRegion=2**30), PreflightError, "memory"
        ),
        "quota of cpu": fault(
            refuse(f"{_SERVICES}.create", 400, "Quota violated: CpuAllocPerProjectRegion"), PreflightError, "quota"
        ),
        "quota of gpus": fault(fails(no_gpu), PreflightError, "GPUs"),
        "no capacity": fault(fails("The region has no available capacity for nvidia-l4."), NoCapacityError, "--region"),
        "no such gpu there": fault(
            _nothing,
            PreflightError,
            "--region",
            spec=spec,
            offer=Offer("cloudrun", "L4", 1, "us-west4", None, "a sample", None),
        ),
        "secret gone": fault(
            fails("Secret projects/1/secrets/x was not found", "SECRETS_ACCESS_CHECK_FAILED"), ProviderError, "secret"
        ),
        "fails to start": fault(fails("The container exited: CUDA out of memory"), UnhealthyError, "out of memory"),
        "image forbidden": fault(fails("denied", "CONTAINER_IMAGE_UNAUTHORIZED"), ProviderError, "image"),
        "api down": fault(refuse(f"{_SERVICES}.create", 503, "backend error"), ProviderError, "status.cloud"),
        "network gone": fault(lambda: _do(google.fail(Fault("*.addVersion", How.GONE))), ProviderError, "network"),
    }


def _service(google: Google) -> Service:
    return next(iter(google.books.services.values()))


def _last(name: str) -> str:
    return name.rpartition("/")[2]


def _do(_: object) -> None:
    """Let an expression be a statement."""


def _nothing() -> None:
    """Leave it as it is."""

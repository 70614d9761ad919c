"""Vast's world for the contract's tests: an adapter over a cloud on the loopback, whose waiting takes no time."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from tests.clouds.vast.cloud import KEY, Cloud
from tests.clouds.vast.faults import BILLING, BROKEN, GONE_404, GONE_410, SPEND, TOO_SOON, Answer
from tests.clouds.vast.instances import STATES, Instance
from tests.clouds.vast.running import Container, QuickGateway
from tests.clouds.vast.server import serving
from tests.contract.worlds import UNDOCUMENTED, Fault

from plexctl.contract import Context, Provider
from plexctl.errors import (
    CredentialsError,
    NoCapacityError,
    NoCredentialsError,
    PreflightError,
    ProviderError,
    UnhealthyError,
)
from plexctl.model import Ref
from plexctl.secret import Secret
from plexctl.spec import Image, Spec, Vast
from plexctl_providers.vast.adapter import VastProvider
from plexctl_providers.vast.pacing import Pacing

IMAGE = "ghcr.io/me/personaplex@sha256:" + "a" * 64
SECRETS = {"PLEXCTL_TOKEN": Secret("token-of-the-world"), "HF_TOKEN": Secret("hf_of_the_world")}
CUDA = (
    "Error response from daemon: OCI runtime create failed: nvidia-container-cli: requirement error: unsatisfied "
    "condition: cuda>=12.8, please update your driver"
)
"""docker-hashcat#21."""
_LONG_AFTER_S = 10.0


@contextmanager
def folder_in_memory() -> Iterator[Path]:
    """Give a folder in memory where the machine has one: the journal waits for the disk at each write."""
    memory = Path("/dev/shm")  # noqa: S108 - a fresh folder in it
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as one:
        yield Path(one)


class VastWorld:
    """One account; `cloud` is what the adapter sees, and more."""

    def __init__(self, home: Path, gateway: Callable[..., Container] = QuickGateway) -> None:
        self.home = home
        self.cloud = Cloud(gateway=gateway)
        self.pace = Pacing(self.cloud.clock.now, self.cloud.clock.sleep)
        self.key = KEY
        self._stack = ExitStack()
        self._stack.callback(shutil.rmtree, self.cloud.folder)
        self._stack.enter_context(serving(self.cloud))

    def provider(self, secrets: Mapping[str, Secret] | None = None) -> Provider:
        """Return a fresh adapter, which keeps pace with those before it."""
        return self.adapter(secrets)

    def adapter(self, secrets: Mapping[str, Secret] | None = None) -> VastProvider:
        """Return it by its own class."""
        environment = {"VAST_API_KEY": self.key, "VAST_URL": self.cloud.url}
        context = Context(self.home, environment, {**SECRETS, **(secrets or {})}, self.cloud.clock.wall)
        return VastProvider(context, pace=self.pace)

    def spec(self, name: str, secrets: tuple[str, ...] = ()) -> Spec:
        """Ask for the engine that needs weights, and so for everything."""
        return Spec(name=name, provider="vast", engine="personaplex", image=Image(name=IMAGE), secrets=secrets)

    def running(self, ref: Ref) -> int:
        """Count containers that are up."""
        return self.cloud.running(ref.label)

    def kill(self, ref: Ref) -> None:
        """End the container, as its process's death does; and be late enough for that to be noticed."""
        for one in self._instances(ref):
            if one.container is not None:
                one.container.kill()
            one.forced = "exited"
        self._later()

    def places_of(self, value: str) -> list[str]:
        """Look at instances, files, logs, and every request but for the body that creates."""
        cloud, files = self.cloud, (path for path in self.home.rglob("*") if path.is_file())
        found = [str(path.relative_to(self.home)) for path in files if value.encode() in path.read_bytes()]
        found += [f"{one.operation} request" for one in cloud.requests if value in one.path + repr(one.query)]
        bodies = (one for one in cloud.requests if one.operation != "create")
        found += [f"{one.operation} body" for one in bodies if value in repr(one.body)]
        found += ["a log" for path in cloud.folder.iterdir() if value in path.read_text(encoding="utf-8")]
        found += ["environment of instance" for one in cloud.instances.values() if value in repr(one.body["env"])]
        found += ["an account's secret" for one in cloud.secrets.values() if value in one]
        return sorted(found)

    def expected_places(self, ref: Ref) -> list[str]:
        """Only the environment of its one instance."""
        del ref
        return ["environment of instance"]

    def mutations(self) -> list[str]:
        """Return what took effect."""
        return list(self.cloud.mutations)

    def exists(self) -> list[tuple[str, str]]:
        """Return every instance."""
        return sorted(("instance", one.label) for one in self.cloud.instances.values())

    def lose_the_next_answer(self) -> None:
        """Drop the connection after the next create took effect."""
        self.cloud.fail("create", after=True)

    def keep_the_next_deleted(self) -> None:
        """Let a destroy be answered, and do nothing."""
        self.cloud.keep_deleted = 1

    def faults(self) -> Mapping[str, Fault]:
        """Return what goes wrong in a deploy."""
        bad = dict.fromkeys((ask.machine_id for ask in self.cloud.asks), CUDA)
        bid = Spec(name="voice", engine="personaplex", image=Image(name=IMAGE), vast=Vast(bid_usd_per_hour=0.01))
        long = Spec(name="voice", engine="personaplex", image=Image(name=IMAGE), env={"NOTE": "x" * 256})
        return {
            "a refused key": Fault(
                lambda: self._use("wrong"), CredentialsError, "VAST_API_KEY", lambda: self._use(KEY)
            ),
            "no key": Fault(lambda: self._use(""), NoCredentialsError, "VAST_API_KEY", lambda: self._use(KEY)),
            "no credit": Fault(lambda: setattr(self.cloud, "credit", 0.0), PreflightError, "credit"),
            "no billing": self._refusing(BILLING, PreflightError, "missing_billing"),
            "the spend limit": self._refusing(SPEND, PreflightError, "new accounts"),
            "an ask that is taken": self._refusing(GONE_404, NoCapacityError, "no_such_ask"),
            "an ask that was just taken": self._refusing(GONE_410, NoCapacityError, "no longer available"),
            "a broken API": self._refusing(BROKEN, ProviderError, "500", times=9),
            "a create that is always too soon": self._refusing(TOO_SOON, ProviderError, "too often", times=9),
            "a host with an old driver": Fault(
                lambda: setattr(self.cloud, "bad_machines", bad), UnhealthyError, "cuda>=12.8"
            ),
            "a bid below the least": Fault(self._raise_bids, PreflightError, "was destroyed", spec=bid),
            "a value beyond a limit": Fault(lambda: None, PreflightError, "NOTE", spec=long),
            "an image that nobody named": Fault(
                lambda: None, PreflightError, "no image", spec=Spec(name="voice", engine="personaplex")
            ),
            "nothing offered": Fault(self._rent_out, NoCapacityError, "gone"),
        }

    def native_states(self) -> Mapping[str, Callable[[], None]]:
        """Return each `actual_status`, and one that there is not."""
        states: dict[str, Callable[[], None]] = {
            str(state): lambda state=state: self._force(state)  # type: ignore[misc]
            for state in STATES
        }
        return {**states, UNDOCUMENTED: lambda: self._force("melting")}

    def close(self) -> None:
        """End the cloud and everything in it."""
        self._stack.close()

    def _instances(self, ref: Ref) -> list[Instance]:
        return [one for one in self.cloud.instances.values() if one.label == ref.label]

    def _later(self) -> None:
        self.cloud.clock.sleep(_LONG_AFTER_S)

    def _use(self, key: str) -> None:
        self.key = key

    def _refusing(self, answer: Answer, error: type[Exception], says: str, times: int = 1) -> Fault:
        return Fault(lambda: self.cloud.fail("create", answer, times=times), error, says)  # type: ignore[arg-type]

    def _raise_bids(self) -> None:
        """Let the least bids rise between the search and the create."""
        for ask in self.cloud.asks:
            ask.min_bid = 0.005
        self.cloud.rising_bids = True

    def _rent_out(self) -> None:
        """Let somebody rent everything once it was offered."""
        self.cloud.sold_out_after = 1

    def _force(self, state: str | None) -> None:
        for one in self.cloud.instances.values():
            one.forced = state
        self._later()


@dataclass(frozen=True)
class VastAlone:
    """The registry of a world's Vast."""

    world: VastWorld

    def names(self) -> list[str]:
        """Return its name."""
        return ["vast"]

    def provider_class(self, name: str) -> type[Provider]:
        """Return what makes an adapter whose waiting takes no time."""
        assert name == "vast"

        def vast(context: Context) -> Provider:
            return VastProvider(context, pace=self.world.pace)

        return cast("type[Provider]", vast)

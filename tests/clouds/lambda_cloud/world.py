"""Lambda as the contract's tests see it: the loopback cloud, and what is looked at behind plexctl's back."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from msgspec import structs
from tests.clouds.lambda_cloud.server import LAUNCH, Lambda
from tests.clouds.lambda_cloud.state import Instance as Row
from tests.contract.worlds import UNDOCUMENTED, Fault

from plexctl.contract import Context, DeploymentJournal
from plexctl.errors import CredentialsError, NoCapacityError, PreflightError, ProviderError, UnhealthyError
from plexctl.model import Endpoint, Plan, Ref, Status
from plexctl.secret import Secret
from plexctl.spec import Lambda as Wish
from plexctl.spec import Spec
from plexctl.states import State
from plexctl_providers._common.clock import Clock
from plexctl_providers._common.files import resource
from plexctl_providers._common.host import FILES, SECRETS
from plexctl_providers._common.on_host.keeping import keys_of
from plexctl_providers._common.on_host.machine import Machine
from plexctl_providers._common.placeholders import ID, fill
from plexctl_providers._common.ssh.keys import KeyPair
from plexctl_providers.lambda_cloud.adapter import LambdaProvider
from plexctl_providers.lambda_cloud.answers import Instance
from plexctl_providers.lambda_cloud.hosting import Hosting

VALUES = {"PLEXCTL_TOKEN": Secret("loopback-token"), "HF_TOKEN": Secret("hf_loopback")}
SYSTEM = "weights"
_CREATES = ("POST /ssh-keys", "POST /firewall-rulesets", "POST /filesystems", LAUNCH)
_STATES = ("booting", "active", "unhealthy", "terminating", "preempted", "terminated")


class NoHosts(Hosting):
    """Stands for what is done on instances: it is done at once. The API's side is what is tested so."""

    def proceed(self, plan: Plan, journal: DeploymentJournal, instance: Instance) -> Status:
        """Record what would be on the host."""
        for kind in (FILES, SECRETS):
            planned = resource(plan, kind)
            name = str(fill(planned.name, {ID: journal.ref.id}))
            if not any(one.kind == kind and one.id for one in journal.ref.resources):
                journal.created(journal.intend(kind, name), f"{instance.address}:{kind}")
        journal.reached(HERE)
        return LOADED

    def look(self, ref: Ref, address: str) -> Status:
        """Say that it runs."""
        del ref, address
        return LOADED

    def new_pair(self, label: str) -> KeyPair:
        """Return the same key for each deployment of a name, so that two worlds can be compared by names."""
        name = label.rpartition("-")[0]
        key = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())
        private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
        public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
        return KeyPair(Secret(private), f"{public} {label}")

    def machine(self, ref: Ref) -> Machine | None:
        """Skip: it is for a machine with an sshd."""
        if keys_of(self.context.home, ref.id).pair() is None:
            return None
        pytest.skip("logs and tunnels need a machine: tests/lambda_cloud/test_on_machines.py")


HERE = Endpoint("http://127.0.0.1:8998", "ws://127.0.0.1:8998/api/chat", "ssh")
LOADED = Status(State.LOADING, HERE, "the gateway runs")


class LambdaWorld:
    """The loopback Lambda, whose instances are addresses at which nobody is."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.cloud = Lambda().__enter__()
        self.variables: dict[str, str] = {}
        """What the user's environment has besides."""

    def provider(self, secrets: Mapping[str, Secret] | None = None) -> LambdaProvider:
        """Return a fresh adapter whose waiting takes no time."""
        clock = self.cloud.clock
        context = Context(
            self.home, {**self.cloud.environment, **self.variables}, VALUES | dict(secrets or {}), clock.wall
        )
        return LambdaProvider(context, clock=Clock(clock.now, clock.sleep), hosting=NoHosts)

    def spec(self, name: str, secrets: tuple[str, ...] = ()) -> Spec:
        """Ask for the model on a GPU, with a file system for its weights."""
        wish = Wish(file_system=f"{SYSTEM}-{name}")
        spec = Spec(name=name, provider="lambda", engine="personaplex", secrets=secrets)
        return structs.replace(spec, lambda_=wish)

    def running(self, ref: Ref) -> int:
        """Count instances that bill."""
        return len(self.named(ref.label))

    def named(self, label: str) -> list[Row]:
        """Return a deployment's instances, of which something is left."""
        return [one for one in self.cloud.living() if one.name == label]

    def kill(self, ref: Ref) -> None:
        """Let Lambda take the instance away."""
        for one in self.named(ref.label):
            one.forced = "preempted"

    def places_of(self, value: str) -> list[str]:
        """Look into files below the home, and into every request."""
        files = (path for path in self.home.rglob("*") if path.is_file())
        found = [str(path.relative_to(self.home)) for path in files if value.encode() in path.read_bytes()]
        requests = ("a request" for one in self.cloud.seen if value in f"{one.path} {one.headers} {one.body}")
        return sorted({*found, *requests})

    def expected_places(self, ref: Ref) -> list[str]:
        """Nowhere: secrets follow by sftp, once somebody is logged in."""
        del ref
        return []

    def mutations(self) -> list[str]:
        """Return what changed at Lambda."""
        return list(self.cloud.mutations)

    def exists(self) -> list[tuple[str, str]]:
        """Return everything in the account."""
        cloud = self.cloud
        kinds = {"ssh-key": cloud.keys, "firewall-ruleset": cloud.rulesets, "file-system": cloud.systems}
        found = [(kind, str(one["name"])) for kind, things in kinds.items() for one in things.values()]
        return sorted([*found, *(("instance", one.name) for one in cloud.living())])

    def lose_the_next_answer(self) -> None:
        """Let the next create of anything be answered by a proxy's error."""
        for operation in _CREATES:
            self.cloud.fail(operation, 504, after=True, group="lost")

    def keep_the_next_deleted(self) -> None:
        """Let Lambda say that it terminates, and do nothing, as often as it is asked in one destroy."""
        self.cloud.keeps_terminated = 4

    def faults(self) -> Mapping[str, Fault]:
        """Return ways in which a deploy fails."""
        cloud = self.cloud

        def mend() -> None:
            cloud.faults.clear()

        def have(name: str, value: object) -> Callable[[], None]:
            return lambda: setattr(cloud, name, value)

        def fail(operation: str, status: int, code: str = "", **more: object) -> Callable[[], None]:
            return lambda: cloud.fail(operation, status, code, times=None, **more)

        places = {"us-east-1", "us-west-1", "us-south-1"}
        return {
            "no capacity": Fault(have("full", places), NoCapacityError, "Not enough capacity"),
            "sold out meanwhile": Fault(fail(LAUNCH, 400, _FULL), NoCapacityError, "another GPU or region"),
            "quota": Fault(have("quota", 0), PreflightError, "higher quota"),
            "inactive": Fault(fail(LAUNCH, 403, "global/account-inactive"), PreflightError, "payment method"),
            "bad key": Fault(fail("GET /instances", 401, "global/invalid-api-key"), CredentialsError, "API key", mend),
            "no right": Fault(fail(LAUNCH, 403, "global/forbidden"), CredentialsError, "role"),
            "contract": Fault(fail(LAUNCH, 400, "global/invalid-parameters"), ProviderError, "report it"),
            "outage": Fault(fail(LAUNCH, 503), ProviderError, "looks for it by its name"),
            "behind": Fault(fail(LAUNCH, 500, "provider/internal-unavailable"), ProviderError, "looks for it"),
            "dropped": Fault(fail(LAUNCH, 0), ProviderError, "no answer from Lambda"),
            "rubbish": Fault(fail("GET /instance-types", 200, text="<html>"), ProviderError, "not the JSON", mend),
            "slow down": Fault(fail(LAUNCH, 429), ProviderError, "one request a second"),
            "unhealthy": Fault(have("is_unhealthy", value=True), UnhealthyError, "unhealthy"),
        }

    def native_states(self) -> Mapping[str, Callable[[], None]]:
        """Return what Lambda calls instances."""

        def call(name: str) -> Callable[[], None]:
            def force() -> None:
                for one in self.cloud.instances.values():
                    one.forced = name

            return force

        return {name: call(name) for name in _STATES} | {UNDOCUMENTED: call("hibernating")}

    def close(self) -> None:
        """End everything."""
        self.cloud.__exit__(None, None, None)


_FULL = "instance-operations/launch/insufficient-capacity"

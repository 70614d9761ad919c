"""The contract's tests that need a host, for Lambda on machines with a real sshd: logs, secrets, finding again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
from msgspec import structs
from tests.clouds.lambda_cloud.state import Instance
from tests.clouds.lambda_cloud.world import VALUES, LambdaWorld
from tests.contract import conftest, test_contract, test_logs
from tests.contract.worlds import World
from tests.machines.gpu import Gpu
from tests.machines.machine import Machine, Machines

from plexctl.contract import Context
from plexctl.model import Ref
from plexctl.secret import Secret
from plexctl.spec import Spec
from plexctl_providers._common.clock import Clock
from plexctl_providers.lambda_cloud.adapter import LambdaProvider

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(900)]

journal = conftest.journal
world = conftest.world
ref = test_logs.ref
test_tail_gives_the_last_lines = test_logs.test_tail_gives_the_last_lines
test_since_gives_what_came_from_then_on = test_logs.test_since_gives_what_came_from_then_on
test_a_second_apply_adopts = test_contract.test_a_second_apply_adopts
test_find_rebuilds_everything_without_local_state = test_contract.test_find_rebuilds_everything_without_local_state
test_a_secret_is_where_it_is_needed_and_nowhere_else = (
    test_contract.test_a_secret_is_where_it_is_needed_and_nowhere_else
)
_FOLDERS = ("/etc", "/home", "/opt/plexctl", "/root", "/run", "/var/lib/plexctl", "/var/lib/cloud", "/var/log")


class MachineWorld(LambdaWorld):
    """The loopback Lambda, whose instances are machines that run the echo engine."""

    def __init__(self, home: Path, store: Machines) -> None:
        super().__init__(home)
        self.store = store
        self.cloud.boots = self.boot

    def boot(self, one: Instance) -> Machine:
        """Start an instance's machine, with its user data."""
        return self.store.start(cloud_config=one.body["user_data"], gpu=Gpu())

    def provider(self, secrets: Mapping[str, Secret] | None = None) -> LambdaProvider:
        """Return a fresh adapter that does everything."""
        clock = self.cloud.clock
        context = Context(self.home, self.cloud.environment, VALUES | dict(secrets or {}), clock.wall)
        return LambdaProvider(context, clock=Clock(clock.now, clock.sleep))

    def spec(self, name: str, secrets: tuple[str, ...] = ()) -> Spec:
        """Ask for echo."""
        return structs.replace(super().spec(name, secrets), engine="echo")

    def places_of(self, value: str) -> list[str]:
        """Look into the machines as well."""
        found = super().places_of(value)
        for one in self.cloud.living():
            if isinstance(one.machine, Machine):
                script = 'grep --recursive --files-with-matches --fixed-strings -e "$(cat)" "$@" 2>/dev/null; true'
                found += one.machine("sh", "-c", script, "sh", *_FOLDERS, stdin=value).splitlines()
                found += [f"cmdline {line}" for line in one.machine.processes() if value in line]
        return sorted(found)

    def expected_places(self, ref: Ref) -> list[str]:
        """Only the file that root alone reads."""
        del ref
        return ["/etc/plexctl/secrets.env"]


@pytest.fixture
def new_world(machines: Machines, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], World]]:
    """Give what makes a world; the one before is closed."""
    with ExitStack() as stack:

        def make() -> World:
            stack.close()
            one = MachineWorld(tmp_path_factory.mktemp("world") / "home", machines)
            stack.callback(one.close)
            return one

        yield make


def test_follow_ends_with_the_instance(world: MachineWorld, ref: Ref) -> None:
    """A stop takes the instance away and its log with it: who follows has had every line, and comes to an end."""
    whole = test_logs.lines(world, ref)
    followed = world.provider().logs(ref, follow=True, since=None, tail=None)
    heard = [next(followed) for _ in whole]
    world.provider().stop(ref)
    heard += followed
    assert heard[: len(whole)] == whole
    assert test_logs.lines(world, ref) == []

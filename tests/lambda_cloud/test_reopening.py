from __future__ import annotations

from pathlib import Path

from tests.lambda_cloud.rig import Rig

from plexctl.contract import Context
from plexctl.states import State
from plexctl_providers._common.clock import Clock
from plexctl_providers.lambda_cloud.account import Account
from plexctl_providers.lambda_cloud.client import Client
from plexctl_providers.lambda_cloud.hosting import Hosting


def test_an_instance_that_does_not_answer_is_opened_and_narrowed_again(rig: Rig, tmp_path: Path) -> None:
    """Whoever calls from a new address is let in by everyone's rule, which ends with the next login."""
    entry, plan = rig.begin(), rig.plan()
    rig.deploy(entry, plan)
    (ruleset,) = rig.cloud.rulesets.values()
    ruleset["rules"][0]["source_network"] = "203.0.113.7/32"
    clock = rig.cloud.clock
    context = Context(tmp_path / "home", rig.cloud.environment, {}, clock.wall)
    account = Account(Client(context, Clock(clock.now, clock.sleep)))
    hosting = Hosting(account, context)
    hosting.booting.has_entered = True
    (instance,) = account.instances()
    assert hosting.proceed(plan, entry, instance).state is State.CREATING
    (ruleset,) = rig.cloud.rulesets.values()
    assert ruleset["rules"][0]["source_network"] == "0.0.0.0/0"
    assert not hosting.booting.has_entered

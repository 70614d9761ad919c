"""`--wait`: until it is granted, no longer than allowed, and away at Ctrl-C."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field, replace

import pytest
from tests.cli.process import Plexctl
from tests.clouds.hub import Fault, Hub
from tests.licence.world import CANARY, REPOSITORY, ask, token

from plexctl.licence import Report, State, Waiting, wait
from plexctl.secret import Secret


@dataclass
class Clock:
    """A clock that only sleeping moves."""

    now: float = 0.0
    slept: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        """Move on."""
        self.slept.append(seconds)
        self.now += seconds


def report(state: State, retry_after_s: float | None = None) -> Report:
    """Return a report of nothing but its state."""
    return Report(state, str(state), None, REPOSITORY, None, None, None, None, None, (), (), retry_after_s)


def waited(states: list[Report], limit_s: float = 1000) -> tuple[Report, Clock, list[str]]:
    """Wait through these reports, the last one for ever."""
    clock = Clock()
    told: list[str] = []
    answers = iter(states)
    current = states[-1]

    def ask_again(_: float) -> Report:
        return next(answers, current)

    waiting = Waiting(limit_s, 20, told.append, lambda: clock.now, clock.sleep)
    return wait(ask_again, waiting), clock, told


def test_pauses_grow_to_half_a_minute() -> None:
    """It asks less and less often: after 1, 2, 4, 8, 16, then every 30 s, and tells each time why."""
    ended, clock, told = waited([report(State.AWAITING_REVIEW)] * 7 + [report(State.GRANTED)])
    assert ended.granted
    assert clock.slept == [1, 2, 4, 8, 16, 30, 30]
    assert told == ["licence_awaiting_review; asking again"] * 7


def test_the_limit_is_kept() -> None:
    """When the time is over, the last report is the answer and says how long it was waited for."""
    ended, clock, _ = waited([report(State.NOT_ACCEPTED)], limit_s=10)
    assert (clock.now, ended.state, ended.message) == (10, State.NOT_ACCEPTED, "licence_not_accepted; waited 10 s")


def test_a_rate_limit_is_waited_out() -> None:
    """When the Hub says when to come back, it is not asked before."""
    _, clock, _ = waited([report(State.RATE_LIMITED, 55.0), report(State.GRANTED)])
    assert clock.slept == [55]


@pytest.mark.parametrize(
    "state", [s for s in State if s.startswith(("token", "repo", "rev", "no_", "wei", "licence_rej"))]
)
def test_what_waiting_does_not_mend_ends_it(state: State) -> None:
    """A wrong token, a rejection, or a name that is not there ends it at once."""
    ended, clock, _ = waited([report(state)])
    assert (ended.state, clock.slept) == (state, [])


def test_it_ends_when_the_authors_approve(hub: Hub, plexctl: Plexctl) -> None:
    """The real command asks until the request is approved, through an outage in between, and then says granted."""
    env = hub.environment | {"HF_TOKEN": token("pat")}
    with plexctl.begin("check-license", "--wait", env=env) as process:
        assert process.stderr is not None
        next(line for line in process.stderr if "awaits the authors' review" in line)
        hub.fail(Fault("", 503, times=4))
        next(line for line in process.stderr if "HTTP 503" in line)
        hub.repositories[REPOSITORY].access["pat"] = "granted"
        out, rest = process.communicate(timeout=30)
    assert (process.returncode, "granted" in out, CANARY in out + rest) == (0, True, False)


def test_it_ends_when_the_time_is_over(hub: Hub, plexctl: Plexctl) -> None:
    """With `--timeout` it ends in the state that was true last."""
    result = ask(plexctl, hub, "pat", "--wait", "--timeout", "2s", "--json")
    assert (result.rc, result.document["error"]["code"]) == (5, "licence_awaiting_review")
    assert "; waited 2 s" in result.document["error"]["message"]


@pytest.mark.parametrize("mode", [(), ("--json",)], ids=["words", "json"])
def test_ctrl_c_is_clean(mode: tuple[str, ...], hub: Hub, plexctl: Plexctl) -> None:
    """Ctrl-C while it waits, or while the Hub keeps it waiting, exits 130 with one line and no traceback."""
    for fault in (None, Fault("", delay_s=60)):
        hub.requests.clear()
        hub.faults[:] = [fault] if fault else []
        with plexctl.begin(
            "check-license", "--wait", *mode, env=hub.environment | {"HF_TOKEN": token("pat")}
        ) as process:
            hub.wait_for(lambda: len(hub.requests) >= 4)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=10)
        assert (process.returncode, "interrupted" in out + err, "Traceback" in err) == (130, True, False)


def test_a_report_does_not_know_the_token() -> None:
    """No part of a report can show a token: it holds only where it came from."""
    shown = repr(replace(report(State.GRANTED), token_source="HF_TOKEN")) + repr(Secret(CANARY))
    assert CANARY not in shown

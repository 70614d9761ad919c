"""Logs over streams that stay open, are cut, and begin again where they were: each line once, in order."""

from __future__ import annotations

import asyncio

import pytest
from tests.runpod.rig import Rig

from plexctl.errors import CredentialsError
from plexctl.journal import Entry
from plexctl.states import State
from plexctl_providers.runpod.events import Event, Seen, events_in


@pytest.fixture
def entry(rig: Rig) -> Entry:
    """Give a deployment with forty lines of log."""
    one = rig.begin()
    rig.deploy(one)
    rig.until(lambda: rig.pod().status == "RUNNING")
    rig.pod().lines.clear()
    for number in range(40):
        # Two by two the same, so that telling them by their text would lose one of each.
        rig.pod().say("container", f"2026-11-20T10:00:00Z line {number // 2}", rig.cloud.clock.wall() + number / 1000)
    return one


WHOLE = [f"line {number // 2}" for number in range(40)]


def end(rig: Rig) -> None:
    """Let the pod end, so that what follows it ends too."""
    rig.cloud.do(rig.cloud.running.end(rig.pod(), "EXITED"))


@pytest.mark.parametrize("cuts", [[7], [1, 1, 1, 5], [39], [40], [13, 20, 2, 2, 2]])
def test_a_followed_log_that_is_cut_has_each_line_once(rig: Rig, entry: Entry, cuts: list[int]) -> None:
    """Cut in the middle of an event, resumed by Last-Event-ID with the very last line once more: nothing is lost."""
    rig.cloud.logs.cuts = list(cuts)
    end(rig)
    assert [line.text for line in rig.provider().logs(entry.ref, follow=True, since=None, tail=None)] == WHOLE
    resumed = [one.headers["Last-Event-ID"] for one in rig.cloud.seen if "Last-Event-ID" in one.headers]
    assert all("/" in one for one in resumed)
    assert resumed


def test_lines_that_come_are_given_as_they_come_until_the_pod_is_gone(rig: Rig, entry: Entry) -> None:
    """Followed from the last three on; what is said between two looks and at the very end is there."""
    followed = rig.provider().logs(entry.ref, follow=True, since=None, tail=3)
    heard = [next(followed).text for _ in range(3)]
    assert heard == WHOLE[-3:]
    rig.pod().say("container", "one more", rig.cloud.clock.wall() + 1)
    rig.cloud.do(rig.cloud.running.tell())
    assert next(followed).text == "one more"
    rig.pod().say("system", "stop container", rig.cloud.clock.wall() + 1)
    rig.cloud.do(rig.cloud.calls.delete(rig.pod()))
    assert [line.text for line in followed] == ["[host] stop container"]


def test_a_line_ends_where_the_stream_says_so(rig: Rig, entry: Entry) -> None:
    """Not at what Python takes for the end of a line: such an event would be broken, and its line lost."""
    odd = "a\u2028b\u2029c\x85d\x1ce \u65e5\u672c \U0001f399"
    rig.pod().say("container", odd, rig.cloud.clock.wall() + 1)
    rig.cloud.do(rig.cloud.running.tell())
    assert [line.text for line in rig.provider().logs(entry.ref, follow=False, since=None, tail=1)] == [odd]


def test_since_and_tail_are_held_here_too(rig: Rig, entry: Entry) -> None:
    """RunPod ignores `tail` beside `since`, and its times have no fractions that it promises."""
    times = [line.at for line in rig.pod().lines]
    lines = rig.provider().logs(entry.ref, follow=False, since=times[30] - 0.0001, tail=4)
    assert [line.text for line in lines] == WHOLE[-4:]
    lines = rig.provider().logs(entry.ref, follow=False, since=times[30] - 0.0001, tail=None)
    assert [line.text for line in lines] == WHOLE[30:]


def test_a_container_that_is_never_silent_keeps_nobody(rig: Rig, entry: Entry) -> None:
    """A line a second for ever: what is there is told after some seconds, without `--follow` and beside a status."""

    async def talk() -> None:
        while True:
            rig.cloud.clock.sleep(1.0)
            rig.pod().say("container", "on and on", rig.cloud.clock.wall())
            await rig.cloud.running.tell()
            await asyncio.sleep(0.02)

    async def begin() -> asyncio.Task[None]:
        return asyncio.create_task(talk())

    async def end_of(talking: asyncio.Task[None]) -> None:
        talking.cancel()

    talking = rig.cloud.do(begin())
    lines = [line.text for line in rig.provider().logs(entry.ref, follow=False, since=None, tail=None)]
    rig.cloud.do(end_of(talking))
    assert lines[:40] == WHOLE
    assert len(lines) < 60


def test_a_log_that_may_not_be_read_is_said_so(rig: Rig, entry: Entry) -> None:
    """A refused key is no empty log; a failed server ends one, and a 429 is waited for."""
    rig.cloud.fail("logs", 401, "invalid API key")
    with pytest.raises(CredentialsError):
        list(rig.provider().logs(entry.ref, follow=False, since=None, tail=None))
    rig.cloud.fail("logs", 429, headers={"Retry-After": "3"})
    before = rig.cloud.clock.now()
    assert len(list(rig.provider().logs(entry.ref, follow=False, since=None, tail=5))) == 5
    assert rig.cloud.clock.now() >= before + 3


def test_a_status_is_true_without_the_hosts_log(rig: Rig) -> None:
    """While the log cannot be read the status is what the pod says."""
    one = rig.begin()
    rig.deploy(one)
    rig.cloud.fail("logs", 500, times=None)
    rig.pod().forced = "STARTING"
    assert rig.provider().status(one.ref).state is State.LOADING


def test_events_without_ids_of_their_own_are_counted() -> None:
    """Were an id only a time, as the description of the header says, equal lines of one moment are still all given."""
    same = Event("2026-11-20T10:00:00Z", 1.0, "container", "again")
    other = Event("2026-11-20T10:00:00Z", 1.0, "container", "other")
    seen = Seen()
    assert [seen.is_new(one) for one in (same, same, other)] == [True, True, True]
    seen.resume()
    assert [seen.is_new(one) for one in (same, same, other, same)] == [False, False, False, True]


def test_what_is_no_event_is_left_out() -> None:
    """Comments, keep-alives, broken JSON and an event without its end."""
    lines = ["retry: 5", "", ": keep-alive", "id: 1", "data: {broken", "", "id: 2", 'data: {"line": "half"}']
    assert list(events_in(lines)) == []
    assert [event.line for event in events_in([*lines, ""])] == ["half"]

"""The pure parts of the gateway: places, backoff, deadlines, lifetime, health, access, words, logs, progress."""

from __future__ import annotations

from dataclasses import replace

import pytest

from plexctl.gateway.access import COOKIE, Access, Entry
from plexctl.gateway.backoff import Backoff
from plexctl.gateway.deadlines import Deadlines, Ending
from plexctl.gateway.diagnosis import reason_for
from plexctl.gateway.engines.echo.faults import LAST_WORDS, Fault
from plexctl.gateway.frames import CloseCode
from plexctl.gateway.health import EngineHealth, overall
from plexctl.gateway.lifetime import Lifetime
from plexctl.gateway.pool import Pool, Seat
from plexctl.gateway.settings import Limits

LIMITS = Limits(
    handshake_s=120,
    silence_s=30,
    heartbeat_s=10,
    session_s=None,
    drain_s=20,
    idle_s=None,
    expires_at=None,
    caller_backlog_s=10,
    caller_backlog_bytes=1000,
)


def test_a_pool_gives_no_more_places_than_there_are() -> None:
    """Each place is given once; one given back twice counts once; the emptiest engine comes first."""
    pool = Pool()
    assert pool.take() is None
    one, two = Seat("one", 1, 1), Seat("two", 2, 2)
    pool.add(one)
    pool.add(two)
    places = [pool.take() for _ in range(3)]
    assert sorted(place.seat.name for place in places if place) == ["one", "two", "two"]
    assert pool.take() is None
    assert (pool.busy, pool.capacity) == (3, 3)
    assert places[0] is not None
    places[0].give_back()
    places[0].give_back()
    assert pool.busy == 2
    again = pool.take()
    assert again is not None
    assert again.seat is places[0].seat


def test_a_place_at_a_dead_engine_does_not_count_for_the_next() -> None:
    """An engine's restart begins with no callers, whatever the old one's callers do later."""
    pool = Pool()
    old = Seat("engine", 1, 1)
    pool.add(old)
    place = pool.take()
    assert place is not None
    pool.remove(old)
    pool.add(Seat("engine", 2, 1))
    place.give_back()
    assert (pool.busy, pool.capacity) == (0, 1)


def test_backoff_doubles_up_to_its_limit_and_forgets_after_health() -> None:
    """0.5, 1, 2, 4 s while it keeps dying; 0.5 s again after a healthy minute."""
    backoff = Backoff()
    assert [backoff.died(0.0, 1.0), backoff.died(700.0, 1.0), backoff.died(1400.0, 1.0)] == [0.5, 1.0, 2.0]
    assert backoff.died(2100.0, 61.0) == 0.5
    longest = Backoff()
    waits = [longest.died(700.0 * number, 1.0) for number in range(12)]
    assert waits[-1] == 30.0


def test_backoff_gives_up_after_three_that_were_never_ready_or_five_in_ten_minutes() -> None:
    """Both limits of giving up; one that was ready in between starts the first count anew."""
    never = Backoff()
    assert [never.died(float(n), None) for n in range(3)] == [0.5, 1.0, None]
    mixed = Backoff()
    assert [mixed.died(n * 10.0, ready) is None for n, ready in enumerate([None, None, 5.0, None, None])] == [
        False,
        False,
        False,
        False,
        True,
    ]


def test_deadlines_by_the_clock() -> None:
    """Handshake, silence, ping and session limits fire at their moments and not before."""
    waiting = Deadlines(LIMITS, 0.0)
    waiting.pong()
    assert waiting.due(119.9) is None
    assert waiting.due(120.0) == Ending(CloseCode.ENGINE, "engine gave no handshake")
    talking = Deadlines(LIMITS, 0.0)
    talking.talking(5.0)
    talking.audio(20.0)
    assert talking.due(49.9) is None
    assert talking.due(50.0) == Ending(CloseCode.POLICY, "no audio")
    pinged = Deadlines(LIMITS, 0.0)
    assert not pinged.wants_ping(9.9)
    assert pinged.wants_ping(10.0)
    assert not pinged.wants_ping(11.0)
    assert pinged.due(19.9) is None
    assert pinged.due(20.0) == Ending(CloseCode.POLICY, "no answer to ping")
    pinged.pong()
    assert pinged.due(20.0) is None
    limited = Deadlines(replace(LIMITS, session_s=60.0), 0.0)
    assert limited.due(60.0) == Ending(CloseCode.NORMAL, "session limit")


def test_the_session_limit_is_told_once_a_minute_before() -> None:
    """Half way where the session is shorter than two minutes; never before the handshake, nor without a limit."""
    long = Deadlines(replace(LIMITS, session_s=3540.0), 0.0)
    assert long.wants_notice(3500.0) is None
    long.talking(1.0)
    assert [long.wants_notice(now) for now in (3479.0, 3480.0, 3481.0)] == [None, 60.0, None]
    short = Deadlines(replace(LIMITS, session_s=10.0), 0.0)
    short.talking(0.5)
    assert [short.wants_notice(now) for now in (4.9, 5.0)] == [None, 5.0]
    unlimited = Deadlines(LIMITS, 0.0)
    unlimited.talking(1.0)
    assert unlimited.wants_notice(1e6) is None


def test_a_caller_that_does_not_read_is_too_slow_by_bytes_or_by_time() -> None:
    """Either limit ends it; an emptied queue starts the time anew."""
    deadlines = Deadlines(LIMITS, 0.0)
    assert deadlines.backlog(0.0, 1000) is None
    assert deadlines.backlog(9.9, 1) is None
    assert deadlines.backlog(10.0, 1) == Ending(CloseCode.POLICY, "too slow")
    assert deadlines.backlog(11.0, 0) is None
    assert deadlines.backlog(12.0, 1) is None
    assert deadlines.backlog(12.0, 1001) == Ending(CloseCode.POLICY, "too slow")


def test_a_stalled_engine_is_not_blamed_on_its_caller() -> None:
    """While the engine takes nothing the caller's pongs cannot be read: only the stall counts."""
    deadlines = Deadlines(LIMITS, 0.0)
    deadlines.talking(0.0)
    assert deadlines.wants_ping(10.0)
    deadlines.flow(10.0, is_open=False)
    assert deadlines.due(19.9) is None
    assert not deadlines.wants_ping(19.9)
    assert deadlines.due(20.0) == Ending(CloseCode.ENGINE, "engine stalled")
    deadlines.flow(20.0, is_open=True)
    assert deadlines.due(20.0) is None


def test_a_lifetime_ends_by_expiry_or_idleness() -> None:
    """A conversation keeps idleness away, not the expiry."""
    idle = Lifetime(None, 60.0, 0.0)
    assert idle.over(wall=0, now=59.9, is_busy=False) is None
    assert idle.over(wall=0, now=60.0, is_busy=True) is None
    assert idle.over(wall=0, now=119.9, is_busy=False) is None
    assert idle.over(wall=0, now=120.0, is_busy=False) == "no conversation for 60 s"
    loading = Lifetime(None, 60.0, 0.0)
    assert loading.over(wall=0, now=500.0, is_busy=False, is_loading=True) is None
    assert loading.over(wall=0, now=559.9, is_busy=False) is None
    # An engine that starts again and again keeps nothing alive.
    assert loading.over(wall=0, now=560.0, is_busy=False, is_loading=True) == "no conversation for 60 s"
    mortal = Lifetime(1000.0, None, 0.0)
    assert mortal.over(wall=999.9, now=0, is_busy=True) is None
    assert mortal.over(wall=1000.0, now=0, is_busy=True) == "expired"


def test_health_is_that_of_the_furthest_engine() -> None:
    """One ready engine makes the gateway ready; all failed makes it failed with their reasons."""
    loading, ready = EngineHealth("loading", "x"), EngineHealth("ready", "ready")
    failed = EngineHealth("failed", "given up", None, "why")
    assert overall([loading, ready, failed], is_draining=False) is ready
    assert overall([loading, failed], is_draining=False) is loading
    assert overall([failed, failed], is_draining=False).reason == "why"
    assert overall([ready], is_draining=True).state == "draining"


@pytest.mark.parametrize(
    ("headers", "query", "cookies", "entry"),
    [
        ({}, [], {}, Entry.WRONG_TOKEN),
        ({"Authorization": "Bearer secret"}, [], {}, Entry.TOKEN),
        ({"Authorization": "bearer  secret"}, [], {}, Entry.TOKEN),
        ({"Authorization": "Bearer secre"}, [], {}, Entry.WRONG_TOKEN),
        ({}, ["secret"], {}, Entry.TOKEN),
        ({"Origin": "https://evil.example"}, ["secret"], {}, Entry.TOKEN),
        ({}, ["\udcff"], {}, Entry.WRONG_TOKEN),
        ({"Authorization": "Bearer wrong"}, ["secret"], {}, Entry.WRONG_TOKEN),
        ({}, [], {COOKIE: "secret"}, Entry.WRONG_TOKEN),
        ({}, [], {COOKIE: Access("secret").cookie}, Entry.COOKIE),
        ({}, [], {COOKIE: Access("other").cookie}, Entry.WRONG_TOKEN),
        ({"Origin": "https://a.b", "Host": "a.b"}, [], {COOKIE: Access("secret").cookie}, Entry.COOKIE),
        ({"Origin": "https://a.c", "Host": "a.b"}, [], {COOKIE: Access("secret").cookie}, Entry.FOREIGN_PAGE),
        (
            {"Origin": "https://a.c", "Host": "10.0.0.1", "X-Forwarded-Host": "a.c"},
            [],
            {COOKIE: Access("secret").cookie},
            Entry.COOKIE,
        ),
    ],
)
def test_who_may_come_in(headers: dict[str, str], query: list[str], cookies: dict[str, str], entry: Entry) -> None:
    """Every way in and every way to be turned away."""
    assert Access("secret").judge(headers, query, cookies) is entry


@pytest.mark.parametrize(
    ("exit_code", "lines", "words"),
    [
        *(
            (1, LAST_WORDS[fault].splitlines(), words)
            for fault, words in (
                (Fault.OUT_OF_MEMORY, "out of GPU memory"),
                (Fault.GATED, "gated"),
                (Fault.NO_KERNEL, "no kernel for this GPU"),
                (Fault.MISSING_LIBRARY, "missing library libopus.so.0"),
            )
        ),
        (1, ["requests.exceptions.HTTPError: 401 Client Error: Unauthorized for url"], "refused the token (401)"),
        (1, ["HTTPError: 403 Client Error: Forbidden for url"], "refused access (403)"),
        (1, ["ModuleNotFoundError: No module named 'moshi'"], "missing module moshi"),
        (1, ["/usr/bin/python: No module named moshi.server"], "missing module moshi.server"),
        (1, ["OSError: [Errno 98] error while attempting to bind: address already in use"], "port was taken"),
        (1, ["OSError: [Errno 98] Address already in use"], "port was taken"),
        (1, ["OSError: [Errno 28] No space left on device"], "disk is full"),
        (1, ["RuntimeError: No CUDA GPUs are available"], "no usable GPU"),
        (1, ["RuntimeError: Found no NVIDIA driver on your system."], "no usable GPU"),
        (1, ["LocalEntryNotFoundError: An error happened"], "no network"),
        (-9, ["[Info] loading moshi"], "ran out of memory"),
        (-11, ["loading"], "signal 11; last line: loading"),
        (3, [], "exited with 3"),
        (None, [], "the engine stopped"),
        (1, ["ValueError: strange", "  "], "exited with 1; last line: ValueError: strange"),
    ],
)
def test_each_death_has_words(exit_code: int | None, lines: list[str], words: str) -> None:
    """One row for each thing that servers print when they die."""
    assert words in reason_for(exit_code, lines)

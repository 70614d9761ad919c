"""Logs, as every adapter gives them: the last ones, those since, and those that come."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, nullcontext
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

import pytest
from tests.contract.steps import begin, bring_up
from tests.contract.worlds import World, until

from plexctl.contract import Hosted, Provider
from plexctl.journal import Journal
from plexctl.model import Endpoint, LogLine, Ref

_DIRECT = build_opener(ProxyHandler({}))


@pytest.fixture
def ref(world: World, journal: Journal) -> Ref:
    """Bring up a deployment whose engine is ready, so that its log is at rest; a call wakes one that is asleep."""
    entry = begin(world, journal)
    endpoint = bring_up(world, entry).endpoint
    with reachable(world.provider(), entry.ref, endpoint) as here:
        until(lambda: is_ready(here), "a gateway that answers")
    until(lambda: any("is ready" in line.text for line in lines(world, entry.ref)), "a ready engine")
    return entry.ref


def reachable(provider: Provider, ref: Ref, endpoint: Endpoint | None) -> AbstractContextManager[Endpoint | None]:
    """Give the endpoint, through a tunnel where nothing else leads there."""
    if endpoint is not None and endpoint.tls == "ssh" and isinstance(provider, Hosted):
        return provider.tunnel(ref)
    return nullcontext(endpoint)


def is_ready(endpoint: Endpoint | None) -> bool:
    """Ask the gateway."""
    assert endpoint is not None
    try:
        with _DIRECT.open(f"{endpoint.url}/health", timeout=10) as answer:
            return bool(answer.status == 200)
    except (URLError, ConnectionError, TimeoutError):
        return False


def lines(world: World, ref: Ref, since: float | None = None, tail: int | None = None) -> list[LogLine]:
    """Read a log."""
    return list(world.provider().logs(ref, follow=False, since=since, tail=tail))


def test_tail_gives_the_last_lines(world: World, ref: Ref) -> None:
    """Oldest first, no more than asked for, and all when there are fewer."""
    whole = lines(world, ref)
    assert len(whole) > 3
    assert lines(world, ref, tail=2) == whole[-2:]
    assert lines(world, ref, tail=10_000) == whole
    assert lines(world, ref, tail=0) == []


def test_since_gives_what_came_from_then_on(world: World, ref: Ref) -> None:
    """From a line's own time on, that line included; nothing from the future."""
    whole = lines(world, ref)
    times = [line.time for line in whole if line.time is not None]
    assert times == sorted(times)
    assert lines(world, ref, since=times[0]) == whole
    assert lines(world, ref, since=times[-1] + 3600) == []


def test_follow_goes_on_until_the_deployment_ends(world: World, ref: Ref) -> None:
    """The lines that are there, then those that come, each once, and an end of its own after the last."""
    if not world.provider().capabilities.follows_logs:
        pytest.skip("this provider cannot follow")
    followed = world.provider().logs(ref, follow=True, since=None, tail=None)
    heard = [next(followed)]
    ending = threading.Thread(target=world.provider().stop, args=(ref,))
    ending.start()
    heard += followed
    ending.join()
    told = lines(world, ref)
    # Where a stop takes the host away, its log is out of reach with it.
    assert heard == told or (not told and isinstance(world.provider(), Hosted))
    assert any("stopped" in line.text for line in heard[-2:])

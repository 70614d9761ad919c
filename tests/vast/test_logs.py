"""Logs: asked for again and again, each line once, and what they tell of the certificate."""

from __future__ import annotations

import pytest
from tests.clouds.vast.faults import BROKEN, Answer
from tests.clouds.vast.world import VastWorld
from tests.contract.steps import begin, bring_up

from plexctl.errors import ProviderError
from plexctl.journal import Journal
from plexctl.model import Ref
from plexctl_providers.vast.logs import added, tls_of

PIN = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64
AT = "2026-11-21T21:00:00.000+00:00"


@pytest.fixture
def ref(world: VastWorld, journal: Journal) -> Ref:
    """Bring one up."""
    return bring_up(world, begin(world, journal)).ref


def texts(world: VastWorld, ref: Ref, tail: int | None = None) -> list[str]:
    """Read a log."""
    return [line.text for line in world.provider().logs(ref, follow=False, since=None, tail=tail)]


def test_a_log_that_is_not_there_yet_is_waited_for(world: VastWorld, ref: Ref) -> None:
    """403 and 404 are what its address answers until the host has put it there."""
    world.cloud.log_polls = 5
    assert texts(world, ref)[-1] == "engine-0 is ready"


def test_a_log_that_never_comes_is_an_error(world: VastWorld, ref: Ref) -> None:
    """A host that does not answer is said to be one."""
    world.cloud.log_polls = 1000
    with pytest.raises(ProviderError, match="did not hand its log over"):
        texts(world, ref)


def test_failures_on_the_way_are_outlasted(world: VastWorld, ref: Ref) -> None:
    """The request and the fetch may each fail for a while."""
    world.cloud.fail("logs", BROKEN, times=2)
    world.cloud.fail("result", None, times=2)
    world.cloud.fail("result", Answer(503, b"slow down"), times=1)
    assert len(texts(world, ref)) == 4


def test_the_key_is_not_shown_to_where_logs_lie(world: VastWorld, ref: Ref) -> None:
    """The address is a stranger's: it is asked without credentials (the loopback asserts it as well)."""
    texts(world, ref)
    assert [one.authorization for one in world.cloud.requests if one.operation == "result"] == ["", ""]


@pytest.mark.parametrize("url", ["http://203.0.113.7/log", "http://[", "file:///etc/passwd", "odd", {"a": 1}, 7])
def test_a_log_in_the_clear_is_not_fetched(world: VastWorld, ref: Ref, url: object) -> None:
    """An address that is neither https nor this machine's, or none at all, is refused."""
    world.cloud.fail("logs", Answer.of(200, {"success": True, "result_url": url}))
    with pytest.raises(ProviderError, match="not https"):
        texts(world, ref)


def test_followed_lines_come_once(world: VastWorld, ref: Ref) -> None:
    """Lines that repeat themselves, several between two looks, until the instance has ended."""
    path = world.cloud.instances[9000].log
    followed = world.provider().logs(ref, follow=True, since=None, tail=2)
    heard = [next(followed).text, next(followed).text]
    with path.open("a", encoding="utf-8") as log:
        log.write("again\nagain\n")
    heard += [next(followed).text, next(followed).text]
    with path.open("a", encoding="utf-8") as log:
        log.write("again\nlast\n")
    world.kill(ref)
    heard += [line.text for line in followed]
    assert heard == ["engine-0 starting", "engine-0 is ready", "again", "again", "again", "last"]


@pytest.mark.parametrize(
    ("before", "after", "new"),
    [
        ("", "ab", "ab"),
        ("ab", "ab", ""),
        ("ab", "abc", "c"),
        ("abc", "bcd", "d"),
        ("aab", "aabaab", "aab"),
        ("aa", "aaa", "a"),
        ("abc", "xyz", "xyz"),
        ("abc", "", ""),
        ("abab", "babx", "x"),
    ],
)
def test_the_difference_is_the_smallest(before: str, after: str, new: str) -> None:
    """A window that moves, or a whole log that grows: what both have is not told again."""
    assert list(added(list(before), list(after))) == list(new)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([], None),
        (["something else"], None),
        ([f"plexctl: tls {PIN}"], PIN),
        ([f"{AT} plexctl: tls {PIN}"], PIN),
        ([f"{AT} gateway plexctl: tls {PIN}"], PIN),
        ([f"plexctl: tls {PIN}", f"{AT} gateway listening on https://0.0.0.0:8998"], PIN),
        ([f"plexctl: tls {PIN}", f"{AT} gateway stopped"], None),
        ([f"plexctl: tls {PIN}", f"{AT} gateway stopped", f"plexctl: tls {OTHER}"], OTHER),
        ([f"plexctl: tls {PIN}", f"plexctl: tls {OTHER}"], OTHER),
        ([f"{AT} engine-0 plexctl: tls {PIN}"], None),
        ([f"somebody said plexctl: tls {PIN}"], None),
        ([f"plexctl: tls {PIN} or so"], None),
        (["plexctl: tls sha256:abc"], None),
        ([f"{AT} gateway listening on http://0.0.0.0:8998"], "none"),
        ([f"{AT} engine-0 listening on http://0.0.0.0:8998"], None),
    ],
)
def test_only_the_gateway_tells_its_certificate(lines: list[str], told: str | None) -> None:
    """The last one that its present run told; an engine's line, or a part of one, tells nothing."""
    assert tls_of(lines) == told

"""A start with an empty cache, and one with a full one."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from tests.clouds.hub import Content, Fault
from tests.gateway.rig import until
from tests.weights.world import (
    CANARY,
    COMMIT,
    MIB,
    OLD_COMMIT,
    REPO,
    UNREAD,
    WEIGHTS,
    World,
    command_lines,
    messages,
    some_bytes,
)

from plexctl.gateway.weights.messages import Done, Progress

DOWN = "http://127.0.0.1:1"


async def test_weights_are_fetched_checked_and_read_offline(world: World) -> None:
    """A cold start ends ready: every file that is read is in the cache, none other, and the engine read them there."""
    async with world.gateway() as gateway:
        await gateway.state("ready")
        await gateway.line(f"commit {COMMIT}")
        await gateway.line("read config.json=")
        assert world.is_whole()
        wanted = sorted(name for name in world.repository.files if name not in UNREAD)
        assert sorted(path.name for path in world.snapshot.iterdir()) == wanted
        assert sum(world.hub.sent.values()) == world.total


async def test_health_shows_bytes_speed_and_time_left(world: World) -> None:
    """While it downloads, figures and words grow, never go back, and vanish with the download; no token is seen."""
    world.hub.fail_storage(Fault(WEIGHTS, bytes_per_s=6 * MIB))
    seen: list[dict[str, Any]] = []
    async with world.gateway() as gateway:

        async def look() -> bool | None:
            seen.append(await gateway.health())
            assert not [line for line in command_lines() if CANARY.encode() in line]
            assert CANARY not in str(seen[-1])
            return seen[-1]["state"] == "ready" or None

        await until(look)
    loading = [one for one in seen if one["state"] == "downloading" and one["bytes_total"]]
    assert {one["bytes_total"] for one in loading} == {world.total}
    done = [one["bytes_done"] for one in loading]
    assert done == sorted(done)
    assert loading[0]["progress"] <= loading[-1]["progress"] <= 1
    moving = [one for one in loading if one["seconds_left"]]
    assert moving
    assert all(" MB/s, " in one["phase"] and one["bytes_per_second"] > 0 for one in moving)
    assert seen[-1]["bytes_done"] is None


async def test_the_fetch_reports_up_to_its_last_byte(world: World) -> None:
    """The process's own messages only go forward and end with every byte and the commit."""
    world.hub.fail_storage(Fault(WEIGHTS, bytes_per_s=12 * MIB))
    said, code = await messages(world)
    done = [one.bytes_done for one in said if isinstance(one, Progress) and one.bytes_done is not None]
    assert done == sorted(done)
    assert (done[-1], said[-1], code) == (world.total, Done(COMMIT), 0)


@pytest.mark.parametrize("revision", [OLD_COMMIT, "v1"])
async def test_a_revision_is_resolved_once_and_read_by_the_engine(world: World, revision: str) -> None:
    """A commit or a tag that is not the newest is what every file is fetched and read at."""
    world.repository.refs["v1"] = OLD_COMMIT
    async with world.gateway(PLEXCTL_MODEL_REVISION=revision) as gateway:
        await gateway.state("ready")
        await gateway.line(f"{REPO}: {revision} is {OLD_COMMIT}")
        await gateway.line(f"commit {OLD_COMMIT}")
    heads = [seen.path for seen in world.hub.requests if "/resolve/" in seen.path]
    assert heads
    assert all(f"/resolve/{OLD_COMMIT}/" in path for path in heads)


async def test_of_a_fork_what_it_lists_is_fetched(world: World) -> None:
    """A model without voices is fetched without them; one without weights is no model."""
    world.hub.add_repository("ann/fork", {"config.json": b"{}", WEIGHTS: some_bytes(MIB)})
    async with world.gateway(PLEXCTL_MODEL_REPO="ann/fork") as gateway:
        await gateway.state("ready")
    world.hub.add_repository("ann/notes", {"config.json": b"{}"})
    async with world.gateway(PLEXCTL_MODEL_REPO="ann/notes") as gateway:
        failed = await gateway.state("failed")
        assert f"has no {WEIGHTS}" in failed["reason"]


async def test_a_pinned_commit_that_is_here_asks_nobody(world: World) -> None:
    """A warm start needs no Hub and no hashing: the process that looks is back well within a second."""
    async with world.gateway() as gateway:
        await gateway.state("ready")
    asked = len(world.hub.requests)
    pinned = {"PLEXCTL_MODEL_REVISION": COMMIT, "HF_ENDPOINT": DOWN}
    took = []
    for _ in range(3):
        began = time.perf_counter()
        assert await messages(world, **pinned) == ([Done(COMMIT)], 0)
        took.append(time.perf_counter() - began)
    assert min(took) < 1
    async with world.gateway(**pinned) as gateway:
        await gateway.state("ready")
    assert len(world.hub.requests) == asked


async def test_a_branch_goes_on_without_the_hub(world: World) -> None:
    """With nobody at the other end a branch is what it was last, and the log says so; else it costs one question."""
    async with world.gateway() as gateway:
        await gateway.state("ready")
    asked = len(world.hub.requests)
    async with world.gateway(HF_ENDPOINT=DOWN) as gateway:
        await gateway.state("ready")
        await gateway.line(f"going on with {COMMIT}, which main was last")
    async with world.gateway() as gateway:
        await gateway.state("ready")
    assert len(world.hub.requests) == asked + 1


async def test_a_branch_that_moved_brings_only_what_changed(world: World) -> None:
    """A new commit with another configuration fetches that file alone; the engine reads the new commit."""
    async with world.gateway() as gateway:
        await gateway.state("ready")
    world.hub.sent.clear()
    world.repository.refs["main"] = OLD_COMMIT
    world.repository.files["config.json"] = Content.of(b'{"model_type": "newer"}')
    async with world.gateway() as gateway:
        await gateway.state("ready")
        await gateway.line(f"commit {OLD_COMMIT}")
    assert set(world.hub.sent) == {"config.json"}


async def test_a_file_that_was_touched_is_hashed_and_replaced(world: World) -> None:
    """What was damaged on the disk after it was found right is found wrong, and fetched again."""
    async with world.gateway() as gateway:
        await gateway.state("ready")
    blob = (world.snapshot / WEIGHTS).resolve()
    blob.write_bytes(b"\0" * blob.stat().st_size)
    async with world.gateway() as gateway:
        await gateway.state("ready")
        await gateway.line("is not what the hub has")
    assert world.is_whole()
    assert world.hub.sent[WEIGHTS] == 2 * len(world.weights)
    assert world.hub.sent["voices.tgz"] == 150_000


async def test_offline_nothing_is_fetched_or_asked(world: World) -> None:
    """HF_HUB_OFFLINE leaves it to the engine, which finds nothing, and fails in its own words."""
    async with world.gateway(HF_HUB_OFFLINE="1") as gateway:
        await gateway.line("weights: left out, HF_HUB_OFFLINE is set")
        assert (await gateway.state("failed"))["cause"] == "engine"
    assert world.hub.requests == []


@pytest.mark.parametrize("has_storage", [False, True])
async def test_where_xet_fails_http_goes_on(world: World, *, has_storage: bool) -> None:
    """A file that lies in Xet storage comes over HTTP when that refuses, is silent, or is switched off."""
    if has_storage:
        access = {"X-Xet-Cas-Url": DOWN, "X-Xet-Access-Token": "x", "X-Xet-Token-Expiration": "4000000000"}
        world.hub.fail(Fault("xet-read-token", status=200, headers=access, body=b"{}"))
    route = f"{world.hub.url}/api/models/{REPO}/xet-read-token/{COMMIT}"
    world.repository.files[WEIGHTS] = Content(len(world.weights), world.weights, xet=("ab" * 32, route))
    async with world.gateway(PLEXCTL_HUB_PATIENCE_S="1") as gateway:
        await gateway.state("ready")
        await gateway.line("Xet failed")
    (world.snapshot / WEIGHTS).resolve().unlink()
    asked = len(world.hub.requests)
    async with world.gateway(HF_HUB_DISABLE_XET="1") as gateway:
        await gateway.state("ready")
    assert not [seen for seen in world.hub.requests[asked:] if "xet-read-token" in seen.path]
    assert world.is_whole()


async def test_conversations_wait_and_the_page_answers_while_it_downloads(world: World) -> None:
    """A caller is told to come back; SIGTERM in the middle ends gateway and fetch at once."""
    world.hub.fail_storage(Fault(WEIGHTS, bytes_per_s=MIB / 4))
    async with world.gateway() as gateway:
        await gateway.state("downloading")
        async with gateway.session.get(f"{gateway.url}/api/chat") as answer:
            assert (answer.status, (await answer.json())["error"]) == (503, "loading")
        await until(lambda: asyncio.sleep(0, world.hub.sent[WEIGHTS] or None))
        began = time.perf_counter()
        assert await gateway.stop() == 0
        assert time.perf_counter() - began < 3

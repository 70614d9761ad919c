"""A Hub and a network that fail: what is tried again from where it stood, and what ends the start with its reason."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import pytest
from tests.clouds.hub import Content, Fault, rate_limited
from tests.weights.world import CANARY, MIB, WEIGHTS, World, first_bytes

from plexctl.gateway.weights.fetch import MARGIN_BYTES


async def test_a_cut_connection_goes_on_from_where_it_stopped(world: World) -> None:
    """Five cuts in the middle of the weights cost what was in flight, and nothing that had come."""
    world.hub.fail_storage(Fault(WEIGHTS, cut_after=MIB, times=5))
    async with world.gateway() as gateway:
        await gateway.state("ready")
    assert world.is_whole()
    asked = first_bytes(world)
    assert len(asked) == 6
    assert asked == sorted(asked)
    assert world.hub.sent[WEIGHTS] <= len(world.weights) + 5 * 64 * 1024


async def test_cuts_at_the_hub_itself_are_tried_again(world: World) -> None:
    """A reset, a 500 and an answer that is none hold nothing up: each question is asked again."""
    world.hub.fail(Fault("GET /api/models", reset=True, times=2))
    world.hub.fail(Fault(r"HEAD .*/resolve/.*config\.json", 502, times=2))
    world.hub.fail(Fault(r"GET .*resolve-cache.*config\.json", raw=b"", times=1))
    async with world.gateway() as gateway:
        await gateway.state("ready")
    assert world.is_whole()


async def test_wrong_bytes_are_thrown_away_and_fetched_again(world: World) -> None:
    """A file of the right size with wrong bytes never reaches the engine."""
    world.hub.fail_storage(Fault(WEIGHTS, is_wrong=True, times=2))
    async with world.gateway() as gateway:
        await gateway.state("ready")
    assert world.is_whole()
    assert first_bytes(world) == [0, 0, 0]


async def test_wrong_bytes_without_end_end_the_start(world: World) -> None:
    """A Hub that always sends wrong bytes is given three tries; nothing of them stays in the cache."""
    world.hub.fail_storage(Fault(WEIGHTS, is_wrong=True))
    async with world.gateway() as gateway:
        failed = await gateway.state("failed")
    assert f"wrong bytes of {WEIGHTS} 3 times" in failed["reason"]
    assert failed["cause"] == "network"
    assert first_bytes(world) == [0, 0, 0]
    assert not (world.snapshot / WEIGHTS).exists()
    assert not [path for path in world.cache.rglob("*.incomplete") if path.stat().st_size]


async def test_a_server_without_ranges_is_read_from_the_beginning(world: World) -> None:
    """Where a range is asked for and the whole file comes, what had come is thrown away, and the file is right."""
    world.hub.fail_storage(Fault(WEIGHTS, cut_after=MIB, times=1))
    world.hub.fail_storage(Fault(WEIGHTS, ignores_range=True))
    async with world.gateway() as gateway:
        await gateway.state("ready")
        await gateway.line("from its beginning")
    assert world.is_whole()


async def test_an_address_that_has_run_out_is_asked_for_again(world: World) -> None:
    """A 403 of the storage is no refusal of the Hub's: its signed address has expired, and there is a new one."""
    world.hub.fail_storage(Fault(WEIGHTS, 403, body=b"<Error>Request has expired</Error>", times=2))
    async with world.gateway() as gateway:
        await gateway.state("ready")
    assert world.is_whole()


async def test_a_silence_in_the_middle_is_broken_off(world: World) -> None:
    """A connection that stands still is given up and continued by another."""
    world.hub.fail_storage(Fault(WEIGHTS, bytes_per_s=1000, times=1))
    async with world.gateway(PLEXCTL_HUB_PATIENCE_S="1.5") as gateway:
        await gateway.state("ready")
        await gateway.line("did not answer in time; again")
    assert world.is_whole()
    assert first_bytes(world)[-1] > 0


async def test_a_slow_hub_is_waited_for(world: World) -> None:
    """An answer that takes a while is no failure."""
    world.hub.fail(Fault("", delay_s=0.5))
    async with world.gateway() as gateway:
        await gateway.state("ready")
    assert world.is_whole()


@pytest.mark.parametrize("pattern", ["GET /api/models", r"HEAD .*/resolve/.*model\.safetensors"])
async def test_too_many_requests_are_waited_out_as_told(world: World, pattern: str) -> None:
    """Retry-After and the Hub's own ratelimit header say when the next question is asked; the log says so."""
    world.hub.fail(Fault(pattern, 429, headers={"Retry-After": "1"}, times=1))
    world.hub.fail(rate_limited(1, pattern, times=1))
    began = time.perf_counter()
    async with world.gateway() as gateway:
        await gateway.state("ready")
        await gateway.line("too many requests from here (429): try again later; again in 1 s")
    assert time.perf_counter() - began > 2


async def test_a_hub_that_wants_an_hour_is_not_waited_for(world: World) -> None:
    """The reason says how long it asked for."""
    world.hub.fail(rate_limited(3600))
    async with world.gateway() as gateway:
        failed = await gateway.state("failed")
    assert "asks to wait 3600 s" in failed["reason"]
    assert failed["cause"] == "network"


def _gate(standing: str) -> Callable[[World], None]:
    return lambda world: world.repository.access.update(ann=standing)


def _token(**more: object) -> Callable[[World], None]:
    def change(world: World) -> None:
        world.hub.add_token(CANARY, "ann", **more)

    return change


def _no_access(world: World) -> None:
    world.repository.access.clear()


REFUSALS: dict[str, tuple[Callable[[World], None], Mapping[str, str], str | None, str]] = {
    "not accepted": (_no_access, {}, "licence", "accept its licence"),
    "awaiting review": (_gate("pending"), {}, "licence", "awaits the authors' review"),
    "rejected": (_gate("rejected"), {}, "licence", "rejected the request"),
    "wrong token": (lambda world: world.hub.tokens.clear(), {}, "credentials", "refused the token (401)"),
    "expired token": (_token(is_expired=True), {}, "credentials", "refused the token (401)"),
    "narrow token": (_token(role="fineGrained", can_read_gated=False), {}, "credentials", "fine-grained"),
    "no token": (lambda _: None, {"HF_TOKEN": ""}, "credentials", "there is no token"),
    "no revision": (lambda _: None, {"PLEXCTL_MODEL_REVISION": "mian"}, None, "no such revision"),
    "no repository": (lambda _: None, {"PLEXCTL_MODEL_REPO": "ann/none"}, None, "was not found on the hub"),
}


@pytest.mark.parametrize("case", REFUSALS)
async def test_a_refusal_ends_the_start_at_once(world: World, case: str) -> None:
    """Nothing is tried twice; reason and cause are in /health, which goes on answering."""
    change, variables, cause, words = REFUSALS[case]
    change(world)
    async with world.gateway(**variables) as gateway:
        failed = await gateway.state("failed")
        assert words in failed["reason"]
        assert (failed["cause"], failed["bytes_total"]) == (cause, None)
        assert not [line for line in gateway.lines if "starts on port" in line]
    lines = [seen.line for seen in world.hub.requests]
    assert len(lines) == len(set(lines)), "something was asked twice"
    assert not world.hub.sent


async def test_a_gate_that_closes_in_the_middle_ends_the_start(world: World) -> None:
    """Access that is taken away during a download is seen at the next address that is asked for."""
    world.hub.fail_storage(Fault(WEIGHTS, cut_after=MIB))
    world.hub.fail_storage(Fault(WEIGHTS, bytes_per_s=MIB))
    async with world.gateway() as gateway:
        await gateway.line("the connection to the model hub was cut")
        _no_access(world)
        failed = await gateway.state("failed")
    assert failed["cause"] == "licence"


@pytest.mark.parametrize(
    ("endpoint", "words"),
    [
        ("http://127.0.0.1:1", "no network to the model hub"),
        ("http://nowhere.invalid", "no network to the model hub"),
    ],
)
async def test_a_hub_that_is_down_ends_the_start_when_patience_ends(world: World, endpoint: str, words: str) -> None:
    """Nobody there, for as long as patience lasts, is a failure of the network's, in words."""
    async with world.gateway(HF_ENDPOINT=endpoint, PLEXCTL_HUB_PATIENCE_S="1") as gateway:
        failed = await gateway.state("failed")
    assert words in failed["reason"]
    assert failed["cause"] == "network"


async def test_a_full_disk_is_said_before_a_byte_is_fetched(world: World) -> None:
    """What is missing and what is free are compared first; the reason has both, and the folder."""
    world.repository.files[WEIGHTS] = Content(10**15)
    async with world.gateway() as gateway:
        failed = await gateway.state("failed")
    assert "the disk is too small" in failed["reason"]
    assert f"needs {(10**15 + MARGIN_BYTES) / 1e9:.1f} GB" in failed["reason"]
    assert str(world.cache) in failed["reason"]
    assert failed["cause"] == "disk"
    assert not world.hub.sent


async def test_a_folder_that_cannot_be_written_is_named(world: World) -> None:
    """A cache that is no folder ends the start with its name, and the way out."""
    world.cache.write_text("not a folder")
    async with world.gateway() as gateway:
        failed = await gateway.state("failed")
    assert "set HF_HOME" in failed["reason"]
    assert failed["cause"] == "disk"


async def test_a_gpu_that_cannot_hold_it_is_said_before_anything_is_asked(world: World) -> None:
    """The look at the GPU comes first: no Hub is asked for weights that nothing could run."""
    answer = '{"torch": "2.4", "torch_cuda": "12.1", "problem": "no NVIDIA driver"}'
    world.python.write_text(f"#!/bin/sh\necho '{answer}'\n")
    async with world.gateway(PLEXCTL_GPU_CHECK="1") as gateway:
        failed = await gateway.state("failed")
    assert (failed["cause"], "no usable GPU" in failed["reason"]) == ("gpu", True)
    assert world.hub.requests == []


async def test_paths_of_a_hostile_hub_stay_in_the_cache(world: World) -> None:
    """An etag that is a path is no etag: nothing is written outside the cache."""
    world.hub.fail(
        Fault(
            r"HEAD .*config\.json",
            200,
            headers={"X-Repo-Commit": "0" * 40, "ETag": '"../../../evil"', "Content-Length": "5"},
        )
    )
    async with world.gateway() as gateway:
        failed = await gateway.state("failed")
    assert "no model hub" in failed["reason"]
    assert not list(world.root.rglob("evil*"))

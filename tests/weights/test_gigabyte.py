"""A file of a gigabyte, through every trouble at once."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from tests.clouds.hub import Content, Fault
from tests.weights.world import MIB, WEIGHTS, World, first_bytes, some_bytes

pytestmark = [pytest.mark.real, pytest.mark.slow]
GIGABYTE = 1_000_000_000


@pytest.mark.timeout(600)
async def test_a_gigabyte_comes_whole_through_cuts_limits_and_wrong_bytes(world: World, tmp_path: Path) -> None:
    """Twenty cuts, a 429, a 502 and one round of wrong bytes: the file is right, and cuts cost nothing."""
    big = tmp_path / "big"
    block = some_bytes(MIB)
    with big.open("wb") as file:
        for start in range(0, GIGABYTE, MIB):
            file.write(block[: GIGABYTE - start])
    world.repository.files[WEIGHTS] = Content.at(big)
    world.hub.fail(Fault(r"HEAD .*model\.safetensors", 502, times=1))
    world.hub.fail(Fault(r"HEAD .*model\.safetensors", 429, headers={"Retry-After": "1"}, times=1))
    world.hub.fail_storage(Fault(WEIGHTS, is_wrong=True, times=1))
    world.hub.fail_storage(Fault(WEIGHTS, cut_after=40 * MIB, times=20))
    async with world.gateway() as gateway:
        await gateway.state("ready", limit_s=300)
    with (world.snapshot / WEIGHTS).open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == world.repository.files[WEIGHTS].etag
    began = first_bytes(world)
    assert (len(began), began[:2]) == (22, [0, 0])
    assert began[1:] == sorted(began[1:])
    assert world.hub.sent[WEIGHTS] < 2 * GIGABYTE + 22 * 8 * MIB

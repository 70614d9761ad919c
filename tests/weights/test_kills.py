"""Processes that are killed, and two that share one cache: nothing is fetched twice, nobody is left behind."""

from __future__ import annotations

import asyncio

from tests.clouds.hub import Fault
from tests.gateway.rig import Gateway, start, until
from tests.weights.world import CANARY, MIB, WEIGHTS, World, children, first_bytes, is_alive, kill

SLOW = MIB * 1.5


async def in_the_middle(world: World, gateway: Gateway) -> int:
    """Wait until half of it all has come; return the pid of the process that fetches."""

    async def look() -> bool | None:
        done = (await gateway.health())["bytes_done"]
        return True if (done or 0) > world.total / 2 else None

    await until(look)
    (pid,) = children(gateway.process.pid)
    return pid


def on_disk(world: World) -> int:
    """Return how many bytes of the weights have come."""
    (partial,) = [path for path in world.cache.rglob("*.plexctl.incomplete") if path.stat().st_size > MIB]
    return partial.stat().st_size


async def gone(pid: int) -> None:
    """Wait until a process is no more."""
    await until(lambda: asyncio.sleep(0, None if is_alive(pid) else True), 5)


async def test_a_killed_gateway_takes_its_fetch_along_and_the_next_goes_on(world: World) -> None:
    """SIGKILL of the gateway in the middle: no process is left, and a new one asks for the missing bytes only."""
    fault = world.hub.fail_storage(Fault(WEIGHTS, bytes_per_s=SLOW))
    gateway = await start(**world.environment)
    fetching = await in_the_middle(world, gateway)
    kill(gateway.process.pid)
    await gone(fetching)
    await gateway.stop()
    assert not [line for line in gateway.lines if CANARY in line]
    came = on_disk(world)
    world.hub.storage_faults.remove(fault)
    async with world.gateway() as again:
        await again.state("ready")
    assert first_bytes(world) == [0, came]
    assert world.is_whole()


async def test_a_killed_fetch_is_started_again_by_its_gateway(world: World) -> None:
    """SIGKILL of the fetching process alone: the same gateway ends ready, and nothing that had come is asked for."""
    fault = world.hub.fail_storage(Fault(WEIGHTS, bytes_per_s=SLOW))
    async with world.gateway() as gateway:
        kill(await in_the_middle(world, gateway))
        world.hub.storage_faults.remove(fault)
        await gateway.line("the fetch ended with signal 9")
        await gateway.state("ready")
    began = first_bytes(world)
    assert began[0] == 0
    assert began[1] > len(world.weights) / 4
    assert world.is_whole()


async def test_a_fetch_that_is_always_killed_ends_the_start(world: World) -> None:
    """Three deaths without a word are a failure; nothing runs on."""
    world.hub.fail_storage(Fault(WEIGHTS, bytes_per_s=SLOW / 10))
    async with world.gateway() as gateway:
        for death in range(1, 4):
            pid = await until(lambda: asyncio.sleep(0, next(iter(children(gateway.process.pid)), None)))
            kill(pid)
            await gone(pid)

            async def counted(deaths: int = death) -> bool | None:
                return True if sum("the fetch ended with" in line for line in gateway.lines) >= deaths else None

            await until(counted)
        failed = await gateway.state("failed")
    assert "could not be fetched" in failed["reason"]
    assert failed["cause"] is None


async def test_an_ended_gateway_has_ended_its_fetch(world: World) -> None:
    """SIGTERM in the middle of a download: both are gone at once."""
    world.hub.fail_storage(Fault(WEIGHTS, bytes_per_s=SLOW))
    async with world.gateway() as gateway:
        fetching = await in_the_middle(world, gateway)
        assert await gateway.stop() == 0
        assert not is_alive(fetching)


async def test_two_gateways_on_one_cache_fetch_each_file_once(world: World) -> None:
    """The second waits and says so, finds everything, and both are ready; the Hub sent each byte once."""
    world.hub.fail_storage(Fault(WEIGHTS, bytes_per_s=4 * MIB))
    async with world.gateway() as first, world.gateway() as second:

        async def look() -> bool | None:
            phases = [(await one.health())["phase"] for one in (first, second)]
            return True if "weights: another gateway is fetching them" in phases else None

        await until(look)
        await first.state("ready")
        await second.state("ready")
    assert sum(world.hub.sent.values()) == world.total


async def test_who_waits_goes_on_when_the_other_is_killed(world: World) -> None:
    """A crash gives the lock back: the one that waited takes over what had come."""
    fault = world.hub.fail_storage(Fault(WEIGHTS, bytes_per_s=SLOW))
    first = await start(**world.environment)
    fetching = await in_the_middle(world, first)
    async with world.gateway() as second:

        async def waits() -> bool | None:
            return True if "another gateway" in (await second.health())["phase"] else None

        await until(waits)
        world.hub.storage_faults.remove(fault)
        kill(first.process.pid)
        await gone(fetching)
        await second.state("ready")
    await first.stop()
    began = first_bytes(world)
    assert (len(began), began[1] > len(world.weights) / 4) == (2, True)
    assert world.is_whole()


async def test_what_had_come_of_files_that_nobody_wants_is_removed(world: World) -> None:
    """A branch that moved in the middle of a download leaves no half file on the disk."""
    blobs = world.snapshot.parents[1] / "blobs"
    blobs.mkdir(parents=True)
    (blobs / f"{'ab' * 32}.plexctl.incomplete").write_bytes(bytes(1000))
    async with world.gateway() as gateway:
        await gateway.state("ready")
    assert not list(blobs.glob("*.incomplete"))

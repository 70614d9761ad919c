from __future__ import annotations

from tests.weights.world import COMMIT, World


async def test_weights_are_fetched_checked_and_read_offline(world: World) -> None:
    """A cold start ends ready: every file is in the cache, none other, and the engine read them at their commit."""
    async with world.gateway() as gateway:
        await gateway.state("ready")
        await gateway.line(f"commit {COMMIT}")
        assert world.is_whole()
        assert sorted(path.name for path in world.snapshot.iterdir()) == sorted(
            name for name in world.repository.files if name not in ("README.md", "dist.tgz")
        )
        assert sum(world.hub.sent.values()) == world.total

"""The engines by name. A new engine is one module with an `ENGINE` and one line in the table here."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from plexctl.gateway.engines.contract import Command, Engine, Progress

_MODULES = {
    "echo": "plexctl.gateway.engines.echo",
    "personaplex": "plexctl.gateway.engines.personaplex",
}


def engine_named(name: str) -> Engine:
    """Return the engine called `name`, one of settings.ENGINE_NAMES."""
    return cast("Engine", import_module(_MODULES[name]).ENGINE)


__all__ = ["Command", "Engine", "Progress", "engine_named"]

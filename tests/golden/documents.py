"""Documents of the real CLI that are kept word for word: `gpus` and `plan` of each provider, offline, on one day."""

from __future__ import annotations

from plexctl.spec import PROVIDERS

DOCUMENTS: dict[str, tuple[str, ...]] = {
    f"{command}-{provider}.json": (command, "-p", provider, "--json")
    for command in ("gpus", "plan")
    for provider in PROVIDERS
}
"""File to command line."""
SURROUNDINGS = {"SOURCE_DATE_EPOCH": "1795219200", "PATH": "/nonexistent"}
"""2026-11-21, and no nvidia-smi."""

"""Folders that nobody else may look into."""

from __future__ import annotations

from pathlib import Path


def make_private(path: Path) -> None:
    """Create a folder and those above it that are missing, each with mode 0700."""
    if not path.is_dir():
        make_private(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)

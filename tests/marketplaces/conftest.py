"""Rigs for the rendered scripts, each with its own market on the loopback."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.marketplaces.examples import offer
from tests.marketplaces.rig import SPEC, Make, Rig, Target
from tests.marketplaces.standin import serving

from plexctl.registry import pure_half
from plexctl.spec import Spec


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Make]:
    """Give a maker of rigs; their servers end with the test."""
    with ExitStack() as stack:

        def make(target: Target, spec: Spec = SPEC, **changes: Any) -> Rig:
            half = pure_half(target.provider)
            plan = half.build_plan(spec, offer(target.provider))
            for path, text in half.build_files(spec, plan).items():
                (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / path).write_text(text, encoding="utf-8")
            (tmp_path / "tools").mkdir()
            for tool in ("curl", "jq"):
                note = f'#!/bin/sh\nprintf "%s\\n" "$0 $*" >> "$NOTES"\nexec {shutil.which(tool)} "$@"\n'
                (tmp_path / "tools" / tool).write_text(note, encoding="utf-8")
                (tmp_path / "tools" / tool).chmod(0o755)
            market = stack.enter_context(serving(target.market()))
            for name, value in changes.items():
                setattr(market, name, value)
            return Rig(target, plan, tmp_path, market)

        yield make

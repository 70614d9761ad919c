"""Asking a tool of this machine a short question."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping

_LIMIT_S = 4.0


def answer_of(argv: list[str], environ: Mapping[str, str]) -> tuple[int | None, str]:
    """Return a tool's exit code and what it said; None when it could not be run, or took longer than 4 s."""
    try:
        done = subprocess.run(
            argv,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None, ""
    return done.returncode, done.stdout.decode("utf-8", "replace").strip()

"""Upstream's offline evaluation as a script: a recording in, a recording out. Batch only."""

from __future__ import annotations

import shlex

from plexctl.images import layout, upstream
from plexctl.rendering import render
from plexctl.spec import Spec

_VOICE = "NATF2.pt"
"""The gateway's default."""


def offline_files(spec: Spec) -> dict[str, str]:
    """Return the script that runs `moshi.offline` with the spec's model, voice and prompt: path to text."""
    options = [shlex.join(option) for option in _options(spec)]
    values = {"options": options, "layout": layout, "upstream": upstream}
    return {"offline/evaluate.sh": render("offline/evaluate.sh.j2", values, spec.templates.folder)}


def _options(spec: Spec) -> list[tuple[str, ...]]:
    """Return the flags of upstream's parser (moshi/moshi/offline.py at the pinned commit), each with its value."""
    gateway = spec.gateway
    found: list[tuple[str, ...]] = [
        ("--hf-repo", spec.model.repo),
        ("--voice-prompt", gateway.voice or _VOICE),
    ]
    if gateway.text_prompt is not None:
        found.append(("--text-prompt", gateway.text_prompt))
    if spec.model.cpu_offload:
        found.append(("--cpu-offload",))
    return found

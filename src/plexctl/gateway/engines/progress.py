"""Log lines of voice servers as progress: upstream's own words, and the download bars of huggingface_hub.

Source: the `logger.info` calls in NVIDIA/personaplex moshi/moshi/server.py at 3428dfd. Unknown lines mean nothing.
"""

from __future__ import annotations

import re

from plexctl.gateway.engines.contract import Progress

_PHASES = (
    ("retrieving voice prompts", "downloading", "voices"),
    ("retrieving the static content", "downloading", "web page"),
    ("retrieving checkpoint", "downloading", "model"),
    ("loading mimi", "loading", "audio codec"),
    ("loading moshi", "loading", "language model"),
    ("moshi loaded", "loading", "language model loaded"),
    ("warming up the model", "warming", "first frames"),
)
_BAR = re.compile(r"^(?P<name>[^\s:][^:]{0,120}):\s+(?P<percent>\d{1,3})%\|")


def progress_in(line: str) -> Progress | None:
    """Return what a line of upstream's output says about its start."""
    bar = _BAR.match(line)
    if bar is not None:
        return Progress("downloading", bar["name"].strip()[:80], min(int(bar["percent"]), 100) / 100)
    lowered = line.lower()
    for words, state, phase in _PHASES:
        if words in lowered:
            return Progress(state, phase)
    return None

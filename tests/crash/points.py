"""The moments of a deploy at which it is cut off, as they show from outside: in the files, the journal, the log."""

from __future__ import annotations

from collections.abc import Callable

from tests.crash.rig import Machine

LOADING_S = "0.3"
"""How long echo pretends to load, so that there is a while to be cut off in."""

POINTS: dict[str, Callable[[Machine], bool]] = {
    "at once": lambda machine: machine.home.exists() or True,
    "locked": lambda machine: (machine.home / "locks" / "voice.lock").exists(),
    "begun": lambda machine: machine.recorded("SELECT 1 FROM deployments"),
    "intended": lambda machine: machine.recorded("SELECT 1 FROM resources"),
    "folder made": lambda machine: machine.folder() is not None,
    "process born": lambda machine: machine.gateway() > 0,
    "id journaled": lambda machine: machine.recorded("SELECT 1 FROM resources WHERE id IS NOT NULL"),
    "listening": lambda machine: "listening on" in machine.log(),
    "loading": lambda machine: "loading mimi" in machine.log(),
    "ready": lambda machine: "engine-0 is ready" in machine.log(),
    "probing": lambda machine: "conversation 1 begins" in machine.log(),
}

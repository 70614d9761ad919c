"""The states of a deployment, one enumeration for all providers.

Each adapter maps its provider's own states onto these with a `STATE_MAP` whose default is UNKNOWN.
"""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """What is true of a deployment now."""

    CREATING = "creating"
    """Intended or requested; nothing answers yet."""
    LOADING = "loading"
    """The gateway answers; no engine is ready."""
    READY = "ready"
    """At least one engine takes callers."""
    IDLE = "idle"
    """Scaled to zero: nothing of it runs or bills for being up; the next caller starts it."""
    DRAINING = "draining"
    """Ending; conversations under way may finish, new ones are refused."""
    STOPPED = "stopped"
    """Ended on purpose; can be started again."""
    FAILED = "failed"
    """It ended, or gave up, by itself."""
    MISSING = "missing"
    """Recorded here, gone at the provider."""
    UNKNOWN = "unknown"
    """The provider said something that plexctl does not know, or could not be asked."""

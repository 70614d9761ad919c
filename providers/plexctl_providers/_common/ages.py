"""When something was made, and when it is to end, as a provider tells it: for what no record of ours knows. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from math import isfinite

from plexctl.model import EXPIRES_AT
from plexctl_providers._common.placeholders import EXPIRES_AT as VARIABLE

_FIRST_S = 1_577_836_800.0
"""2020, before there was a plexctl: what is told to be older is a mistake, and no age."""


def moment_of(key: str, told: object) -> dict[str, str]:
    """Return a moment as a resource's detail keeps it, from seconds, ISO 8601 or a datetime; nothing for else."""
    seconds = _seconds(told)
    is_one = seconds is not None and isfinite(seconds) and seconds >= _FIRST_S
    return {key: f"{seconds:.0f}"} if is_one else {}


def expiry_in(settings: Mapping[str, str]) -> dict[str, str]:
    """Return when it is to end by itself, by the environment that it was made with."""
    return moment_of(EXPIRES_AT, settings.get(VARIABLE))


def _seconds(told: object) -> float | None:
    if isinstance(told, datetime):
        told = told.isoformat()
    if isinstance(told, bool) or not isinstance(told, int | float | str):
        return None
    try:
        return float(told)
    except (ValueError, OverflowError):
        pass
    try:
        read = datetime.fromisoformat(str(told))
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None

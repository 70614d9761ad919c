"""Flags that several commands share, and the values that people write in them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from plexctl.errors import UsageError

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)([smhd]?)")
_LONGEST_S = 315_360_000  # ten years
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
OptionalName = Annotated[
    str | None, typer.Argument(metavar="[NAME]", help="Deployment; the only one when left out.", show_default=False)
]
ConfigFile = Annotated[
    Path | None, typer.Option("--config", "-c", metavar="FILE", help="Read this instead of ./plexctl.toml.")
]
Secrets = Annotated[
    list[str] | None,
    typer.Option("--secret", metavar="KEY[=@FILE]", help="Secret for the server, from the environment or a file."),
]
TokenFile = Annotated[
    Path | None, typer.Option("--token-file", metavar="FILE", help="Access token; also PLEXCTL_TOKEN.")
]
HubTokenFile = Annotated[
    Path | None, typer.Option("--hf-token-file", metavar="FILE", help="Hugging Face token; also HF_TOKEN.")
]
EnvFiles = Annotated[
    list[Path] | None, typer.Option("--env-file", metavar="FILE", help="Look for the Hugging Face token here, too.")
]


def seconds(text: str | None, flag: str) -> float | None:
    """Return a duration such as `90`, `90s`, `15m`, `2h` or `1d` in seconds. Raises UsageError."""
    if text is None:
        return None
    match = _DURATION.fullmatch(text.strip())
    total_s = float(match[1]) * _UNITS[match[2]] if match else 0.0
    if not 0 < total_s <= _LONGEST_S:
        words = "is too long" if total_s else "is no duration"
        raise UsageError(f"{flag} {text!r} {words}", hint="write 90s, 15m, 2h or 1d")
    return total_s


def moment(text: str | None, flag: str, now: float) -> float | None:
    """Return a time (ISO 8601, or a duration back from now) in epoch seconds. Raises UsageError."""
    if text is None:
        return None
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        pass
    else:
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
    try:
        return now - (seconds(text, flag) or 0)
    except UsageError:
        hint = "write 10m, 2h, 1d or a moment such as 2026-12-01T18:00:00Z"
        raise UsageError(f"{flag} {text!r} is no time", hint=hint) from None

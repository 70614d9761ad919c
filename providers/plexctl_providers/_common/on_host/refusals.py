"""What plexctl's scripts on a host end with, as plexctl's errors. Pure.

The codes are those of `bootstrap.sh`, documented in docs/hosts.md.
"""

from __future__ import annotations

from plexctl.errors import ConflictError, PlexError, PreflightError, UnhealthyError

_CONFLICTS = (11, 14, 26)
_LACKING = (12, 13, 15, 16, 17, 20)
_FULL = "No space left on device"
_HINTS = {
    11: "wait until it has ended",
    13: "free disk space there",
    14: "end that program, or choose another gateway.port",
    26: "a host carries one deployment; nothing on it was touched",
}


def failure_of(code: int, output: str, host: str) -> PlexError:
    """Return the error for a script's exit code and its output, whose `failed:` line or else last line says why."""
    words = f"{host}: {_reason(output) or f'a script of plexctl ended with {code}'}"
    if code in _CONFLICTS:
        return ConflictError(words, hint=_HINTS[code])
    if code in _LACKING or _FULL in output:
        return PreflightError(words, hint=_HINTS.get(13 if _FULL in output else code))
    return UnhealthyError(words, hint="`/var/lib/plexctl/bootstrap.log` there says more")


def _reason(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    reasons = [line.partition(" failed: ")[2] for line in lines if " failed: " in line]
    return ["", *lines[-1:], *reasons][-1]

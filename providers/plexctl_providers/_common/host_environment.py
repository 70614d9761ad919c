"""Variables as a file that systemd's EnvironmentFile and a shell's `.` read alike, whatever characters are in them.

Both take double quotes with a backslash before `"`, a backslash, a backquote and a dollar, join quoted parts that
touch, and leave line ends inside alone (systemd: src/basic/env-file.c). Docker's --env-file knows neither quotes nor
line ends, which is why the unit hands variables to Docker by name instead.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from plexctl_providers._common.placeholders import EXPIRES_AT, placeholder

_SPECIAL = re.compile(r'(["\\`$])')
_LIKE_PLACEHOLDER = "${"


def environment_text(variables: Mapping[str, str]) -> str:
    """Return the text of the file: a variable a line, sorted. Its own placeholders can still be filled in."""
    return "".join(f"{name}={_quoted(name, variables[name])}\n" for name in sorted(variables))


def _quoted(name: str, value: str) -> str:
    if value in {placeholder(name), placeholder(EXPIRES_AT)}:
        return f'"{value}"'
    # A user's own `${WORD}` is taken apart, so that nobody takes it for a placeholder of ours.
    parts = (_SPECIAL.sub(r"\\\1", part) for part in value.split(_LIKE_PLACEHOLDER))
    return '"' + '\\$""{'.join(parts) + '"'

"""What a plan cannot know yet, as `${NAME}` in its texts: secrets, the deployment's id, what a provider will answer.

Plans, and files that are rendered from them, hold placeholders only; `fill` puts the values in when a plan is applied.
The form is the shell's; rendered files say how people who use them without plexctl fill them in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from plexctl.errors import PreflightError
from plexctl.secret import Secret

_PLACEHOLDER = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")

ID = "PLEXCTL_ID"
"""The deployment's id, drawn when it is made."""
TOKEN = "PLEXCTL_TOKEN"  # noqa: S105 - a name
"""The access token that callers show."""
EXPIRES_AT = "PLEXCTL_EXPIRES_AT"
"""When the deployment ends by itself, in seconds since the epoch."""
IMAGE = "PLEXCTL_IMAGE"
"""The image, where none is named and none was pushed."""


def placeholder(name: str) -> str:
    """Return the placeholder of that name."""
    return f"${{{name}}}"


def names_in(value: object) -> list[str]:
    """Return the names of all placeholders in the texts of a nested value, sorted."""
    return sorted({name for text in _texts(value) for name in _PLACEHOLDER.findall(text)})


def fill(value: object, values: Mapping[str, str | Secret]) -> object:
    """Return the value with every placeholder in its texts filled in. The result may hold secrets in the clear.

    Raises PreflightError that names those without a value.
    """
    missing = [name for name in names_in(value) if name not in values]
    if missing:
        raise PreflightError(f"no value was supplied for {', '.join(missing)}")
    return _filled(value, {name: one.reveal() if isinstance(one, Secret) else one for name, one in values.items()})


def _filled(value: object, values: Mapping[str, str]) -> object:
    if isinstance(value, str):
        return _PLACEHOLDER.sub(lambda found: values[found[1]], value)
    if isinstance(value, Mapping):
        return {_filled(key, values): _filled(item, values) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_filled(item, values) for item in value]
    return value


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _texts(key)
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)

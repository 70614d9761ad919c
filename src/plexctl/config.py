"""What plexctl reads of the user's surroundings: the only reader of the environment.

The spec comes from plexctl.toml, the environment and the flags (`layers`). Secrets are never part of a spec: only
their names are, and `secret_values` finds the values in the environment or in files.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from plexctl.errors import ConfigurationError, UsageError
from plexctl.secret import Secret

if TYPE_CHECKING:
    from plexctl.spec import Spec

CONFIG_FILE = "plexctl.toml"
TOKEN_VARIABLE = "PLEXCTL_TOKEN"  # noqa: S105 - the variable's name
HUB_TOKEN_VARIABLE = "HF_TOKEN"  # noqa: S105 - the same


def environment() -> dict[str, str]:
    """Return the process's environment."""
    return dict(os.environ)


def home(environ: Mapping[str, str]) -> Path:
    """Return plexctl's folder for state, cache and configuration: PLEXCTL_HOME, or `.plexctl` in the home folder."""
    chosen = environ.get("PLEXCTL_HOME")
    return (Path(chosen) if chosen else Path.home() / ".plexctl").absolute()


def load_spec(environ: Mapping[str, str], flags: Mapping[str, object], file: Path | None = None) -> Spec:
    """Merge file, environment and flags into a spec.

    `flags` maps dotted keys to values; None means not given. `file` must exist when named; plexctl.toml in the
    working directory is used when there is one. Raises ConfigurationError with the key and its source.
    """
    from plexctl.layers import merge

    return merge(environ, flags, file, Path(CONFIG_FILE))


def with_implied_secrets(spec: Spec, environ: Mapping[str, str], given: Iterable[str] = ()) -> Spec:
    """Return the spec with the access token and the Hub's token among its secrets, where they are set."""
    from msgspec.structs import replace

    implied = [TOKEN_VARIABLE] if environ.get(TOKEN_VARIABLE) else []
    if spec.engine != "echo" and environ.get(HUB_TOKEN_VARIABLE):
        implied.append(HUB_TOKEN_VARIABLE)
    named = dict.fromkeys([*spec.secrets, *given, *implied])
    return replace(spec, secrets=tuple(sorted(named)))


def secret_sources(options: Iterable[str]) -> dict[str, Path | None]:
    """Parse `--secret KEY` (from the environment) and `--secret KEY=@FILE` into names and files.

    Raises UsageError for a value on the command line, without repeating it.
    """
    sources: dict[str, Path | None] = {}
    for option in options:
        name, separator, rest = option.partition("=")
        if separator and not rest.startswith("@"):
            raise UsageError(
                f"--secret {name}: a secret's value does not belong on the command line",
                hint=f"set the variable {name} and pass --secret {name}, or pass --secret {name}=@FILE",
            )
        sources[name] = Path(rest[1:]) if separator else None
    return sources


def secret_values(
    names: Iterable[str], environ: Mapping[str, str], files: Mapping[str, Path | None]
) -> dict[str, Secret]:
    """Return the value of each named secret. Raises ConfigurationError for one that cannot be found."""
    return {name: _secret_value(name, environ, files.get(name)) for name in names}


def read_secret_file(path: Path) -> Secret:
    """Return a file's content without its last newline. Raises ConfigurationError for a file without one."""
    try:
        value = path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigurationError(f"cannot read the secret's file {path}: {reason}") from None
    if not value:
        raise ConfigurationError(f"the secret's file {path} is empty")
    return Secret(value)


def key_values(options: Iterable[str], flag: str) -> dict[str, str]:
    """Parse `KEY=VALUE` options. Raises UsageError for one without `=`."""
    pairs: dict[str, str] = {}
    for option in options:
        key, separator, value = option.partition("=")
        if not separator or not key:
            raise UsageError(f"{flag} takes KEY=VALUE", hint=f"for example {flag} LOG_LEVEL=debug")
        pairs[key] = value
    return pairs


def _secret_value(name: str, environ: Mapping[str, str], file: Path | None) -> Secret:
    if file is not None:
        return read_secret_file(file)
    value = environ.get(name)
    if not value:
        raise ConfigurationError(f"the secret {name} is not set", hint=f"export {name}, or pass --secret {name}=@FILE")
    return Secret(value)

"""What plexctl reads of the user's surroundings: the only reader of the environment.

The spec comes from plexctl.toml, the environment and the flags (`layers`). Secrets are never part of a spec: only
their names are, and `secret_values` finds the values in the environment or in files.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from plexctl.errors import ConfigurationError, UsageError
from plexctl.secret import Secret

if TYPE_CHECKING:
    from plexctl.licence import Token
    from plexctl.spec import Spec

CONFIG_FILE = "plexctl.toml"
TOKEN_VARIABLE = "PLEXCTL_TOKEN"  # noqa: S105 - the variable's name
HUB_TOKEN_VARIABLE = "HF_TOKEN"  # noqa: S105 - the same

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_FILE_HINT = "name a text file that holds the value and nothing else"
_NAMES_HINT = "a variable's name has only letters, digits and _"


def environment() -> dict[str, str]:
    """Return the process's environment."""
    return dict(os.environ)


def home(environ: Mapping[str, str]) -> Path:
    """Return plexctl's folder for state, cache and configuration: PLEXCTL_HOME, or `.plexctl` in the home folder.

    Raises ConfigurationError where there is neither.
    """
    chosen = environ.get("PLEXCTL_HOME")
    try:
        folder = (Path(chosen) if chosen else Path.home() / ".plexctl").absolute()
        if folder.is_file():
            raise ConfigurationError(f"{folder} is a file", hint="name a folder with PLEXCTL_HOME")
    except RuntimeError:
        raise ConfigurationError("you have no home folder", hint="name a folder with PLEXCTL_HOME") from None
    except FileNotFoundError:
        raise ConfigurationError("the working directory is gone", hint="change to one that exists") from None
    except OSError as error:
        words = f"cannot look into plexctl's folder: {error.strerror}"
        raise ConfigurationError(words, hint="name another with PLEXCTL_HOME") from None
    return folder


def access_token(value: str | None) -> Secret | None:
    """Return the access token for endpoints, None for an empty one.

    Raises ConfigurationError for one that no header carries.
    """
    if not value:
        return None
    if not value.isascii() or not value.isprintable() or " " in value:
        hint = "use letters, digits, '-' and '_'"
        raise ConfigurationError("the access token has characters that no header carries", hint=hint)
    return Secret(value)


_OWN_VARIABLES = {
    "PLEXCTL_CPU_OFFLOAD": "model.cpu_offload",
    "PLEXCTL_DEPLOYMENT": "name",
    "PLEXCTL_ENGINE": "engine",
    "PLEXCTL_ENGINES": "gateway.engines",
    "PLEXCTL_EXPIRES_AT": "limits.ttl_s",
    "PLEXCTL_HOST": "",
    "PLEXCTL_IDLE_TIMEOUT_S": "gateway.idle_timeout_s",
    "PLEXCTL_LISTEN_FD": "",
    "PLEXCTL_MAX_SESSION_S": "gateway.max_session_s",
    "PLEXCTL_MODEL_REPO": "model.repo",
    "PLEXCTL_MODEL_REVISION": "model.revision",
    "PLEXCTL_PID_FD": "",
    "PLEXCTL_PORT": "gateway.port",
    "PLEXCTL_RUNPOD_URL": "",
    "PLEXCTL_SECRETS": "secrets",
    "PLEXCTL_SELF_DESTRUCT": "",
    "PLEXCTL_START_TIMEOUT_S": "limits.start_timeout_s",
    "PLEXCTL_TEXT_PROMPT": "gateway.text_prompt",
    "PLEXCTL_TLS": "",
    "PLEXCTL_VOICE": "gateway.voice",
    "VAST_URL": "",
}
"""The server's variables that plexctl sets, to the key of the spec that says the same; empty: there is none."""


def load_spec(environ: Mapping[str, str], flags: Mapping[str, object], file: Path | None = None) -> Spec:
    """Merge file, environment and flags into a spec.

    `flags` maps dotted keys to values; None means not given. `file` must exist when named; plexctl.toml in the
    working directory is used when there is one. Raises ConfigurationError with the key and its source.
    """
    from plexctl.layers import merge

    return merge(environ, flags, file, Path(CONFIG_FILE))


def with_implied_secrets(spec: Spec, environ: Mapping[str, str], given: Iterable[str] = ()) -> Spec:
    """Return the spec with the access token and the Hub's token among its secrets, where they are set.

    Raises ConfigurationError for one of them among the plain variables, which are recorded and shown, and for a
    variable there that plexctl sets itself.
    """
    from msgspec.structs import replace

    for name in (TOKEN_VARIABLE, HUB_TOKEN_VARIABLE):
        if name in spec.env:
            raise ConfigurationError(f"{name} is a secret and cannot stand in env", hint=f"pass --secret {name}")
    _refuse_own(spec.env)
    implied = [TOKEN_VARIABLE] if environ.get(TOKEN_VARIABLE) else []
    if spec.engine != "echo" and environ.get(HUB_TOKEN_VARIABLE):
        implied.append(HUB_TOKEN_VARIABLE)
    named = dict.fromkeys([*spec.secrets, *given, *implied])
    return replace(spec, secrets=tuple(sorted(named)))


def _refuse_own(variables: Iterable[str]) -> None:
    """Refuse what would contradict the spec behind plexctl's back: an end of its own, another engine, another API."""
    for name in variables:
        if name in _OWN_VARIABLES:
            instead = _OWN_VARIABLES[name]
            hint = f"set {instead} instead" if instead else "leave it out of env"
            raise ConfigurationError(f"{name} is set by plexctl itself and cannot stand in env", hint=hint)


def hub_token(environ: Mapping[str, str], file: Path | None, env_files: Iterable[Path]) -> Token | None:
    """Return the Hugging Face token and where it was found (`plexctl.licence.tokens` has the order).

    Raises ConfigurationError for a file that cannot be read, CredentialsError for what is no token.
    """
    from plexctl.licence import find_token

    return find_token(environ, read_secret_file(file) if file else None, env_files)


def secret_sources(options: Iterable[str]) -> dict[str, Path | None]:
    """Parse `--secret KEY` (from the environment) and `--secret KEY=@FILE` into names and files.

    Raises UsageError for a value on the command line, without repeating it.
    """
    sources: dict[str, Path | None] = {}
    for option in options:
        name, separator, rest = option.partition("=")
        if not _VARIABLE.fullmatch(name):
            raise UsageError("--secret takes KEY or KEY=@FILE, and this KEY is no name", hint=_NAMES_HINT)
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
        raise ConfigurationError(f"cannot read the secret's file {path}: {reason}", hint=_FILE_HINT) from None
    if not value:
        raise ConfigurationError(f"the secret's file {path} is empty", hint=_FILE_HINT)
    if "\0" in value:
        raise ConfigurationError(f"the secret's file {path} holds a NUL byte", hint=_FILE_HINT)
    return Secret(value)


def key_values(options: Iterable[str], flag: str) -> dict[str, str]:
    """Parse `KEY=VALUE` options. Raises UsageError for one without `=`."""
    pairs: dict[str, str] = {}
    for option in options:
        key, separator, value = option.partition("=")
        if not separator or not key:
            raise UsageError(f"{flag} takes KEY=VALUE", hint=f"for example {flag} LOG_LEVEL=debug")
        if not _VARIABLE.fullmatch(key):
            raise UsageError(f"{flag} {key!r} is no variable's name", hint=_NAMES_HINT)
        pairs[key] = value
    return pairs


def _secret_value(name: str, environ: Mapping[str, str], file: Path | None) -> Secret:
    if file is not None:
        return read_secret_file(file)
    value = environ.get(name)
    if not value and name == TOKEN_VARIABLE:
        words = "callers elsewhere need an access token, and none is set"
        raise ConfigurationError(words, hint=f"export {name}=$(openssl rand -hex 24), or pass --token-file FILE")
    if not value:
        raise ConfigurationError(f"the secret {name} is not set", hint=f"export {name}, or pass --secret {name}=@FILE")
    return Secret(value)

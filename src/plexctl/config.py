"""From plexctl.toml, the environment and the flags to a spec, in that order; the only reader of the environment.

Unknown keys are errors that name the key and the nearest valid one. Secrets are never part of a spec: only their
names are, and `secret_values` finds the values in the environment or in files.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

import msgspec

from plexctl.errors import ConfigurationError, UsageError
from plexctl.nearest import nearest
from plexctl.secret import Secret
from plexctl.spec import Spec

CONFIG_FILE = "plexctl.toml"
TOKEN_VARIABLE = "PLEXCTL_TOKEN"  # noqa: S105 - the variable's name
HUB_TOKEN_VARIABLE = "HF_TOKEN"  # noqa: S105 - the same

_OTHER_VARIABLES = frozenset(
    {
        "PLEXCTL_HOME",
        TOKEN_VARIABLE,
        "PLEXCTL_RUNPOD_URL",
        "PLEXCTL_RUNPOD_PROXY",
        "PLEXCTL_GOOGLE_URL",
        "PLEXCTL_OVH_URL",
    }
)
"""Variables of plexctl that set no field of the spec."""
_FREE_PREFIXES = ("PLEXCTL_TEST_", "PLEXCTL_X_")
"""Variables that belong to tests and to other people's adapters."""


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
    layers = [
        (str(file or CONFIG_FILE), _flatten(_read_toml(file))),
        ("environment", _from_environment(environ)),
        ("command line", {key: value for key, value in flags.items() if value is not None}),
    ]
    sources: dict[str, str] = {}
    merged: dict[str, object] = {}
    for source, layer in layers:
        for key, value in layer.items():
            sources[key] = source
            merged[key] = value
    return _convert(merged, sources)


def with_implied_secrets(spec: Spec, environ: Mapping[str, str], given: Iterable[str] = ()) -> Spec:
    """Return the spec with the access token and the Hub's token among its secrets, where they are set."""
    implied = [TOKEN_VARIABLE] if environ.get(TOKEN_VARIABLE) else []
    if spec.engine != "echo" and environ.get(HUB_TOKEN_VARIABLE):
        implied.append(HUB_TOKEN_VARIABLE)
    named = dict.fromkeys([*spec.secrets, *given, *implied])
    return msgspec.structs.replace(spec, secrets=tuple(sorted(named)))


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


@cache
def spec_variables() -> dict[str, str]:
    """Map each environment variable that sets a field of the spec to the field's dotted key."""
    return dict(_variables(Spec, ""))


@cache
def spec_keys() -> tuple[str, ...]:
    """Return every dotted key of the spec."""
    return tuple(_keys(Spec, ""))


def _secret_value(name: str, environ: Mapping[str, str], file: Path | None) -> Secret:
    if file is not None:
        return read_secret_file(file)
    value = environ.get(name)
    if not value:
        raise ConfigurationError(f"the secret {name} is not set", hint=f"export {name}, or pass --secret {name}=@FILE")
    return Secret(value)


def _read_toml(file: Path | None) -> dict[str, object]:
    path = file or Path(CONFIG_FILE)
    try:
        with path.open("rb") as stream:
            return tomllib.load(stream)
    except FileNotFoundError:
        if file is None:
            return {}
        raise ConfigurationError(f"no such file: {path}", hint="`plexctl init` writes one") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is not valid TOML: {error}") from None
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from None


def _from_environment(environ: Mapping[str, str]) -> dict[str, object]:
    known = spec_variables()
    for variable in sorted(environ):
        ours = variable.startswith("PLEXCTL_") and not variable.startswith(_FREE_PREFIXES)
        if ours and variable not in known and variable not in _OTHER_VARIABLES:
            raise ConfigurationError(
                f"unknown variable {variable} in the environment{nearest(variable, [*known, *_OTHER_VARIABLES])}",
                hint="unset it, or give it a name that does not begin with PLEXCTL_",
            )
    return {key: environ[variable] for variable, key in known.items() if environ.get(variable)}


def _flatten(table: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """Turn nested tables into dotted keys; `env` stays a table, since its keys are the user's own."""
    flat: dict[str, object] = {}
    for key, value in table.items():
        if isinstance(value, dict) and prefix + key != "env":
            flat |= _flatten(value, f"{prefix}{key}.") or {prefix + key: {}}
        else:
            flat[prefix + key] = value
    return flat


def _convert(merged: Mapping[str, object], sources: Mapping[str, str]) -> Spec:
    sections = {key.partition(".")[0] for key in spec_keys() if "." in key}
    nested: dict[str, object] = {}
    for key, value in merged.items():
        if key not in spec_keys() and not (key in sections and value == {}):
            raise ConfigurationError(f"{sources[key]}: unknown key {key!r}{nearest(key, spec_keys())}")
        section, _, field = key.rpartition(".")
        target = nested.setdefault(section, {}) if section else nested
        if isinstance(target, dict):
            target[field] = value
    _validate_one_by_one(merged, sources)
    return msgspec.convert(nested, Spec, strict=False)


def _validate_one_by_one(merged: Mapping[str, object], sources: Mapping[str, str]) -> None:
    """Check each value alone, so that an error names its own key and where it came from."""
    types = dict(_types(Spec, ""))
    for key, value in merged.items():
        # A file has types of its own; the environment and the command line have only text.
        strict = not isinstance(value, str) or sources[key].endswith(".toml")
        if key in types:
            try:
                msgspec.convert(value, types[key], strict=strict)
            except msgspec.ValidationError as error:
                raise ConfigurationError(f"{sources[key]}: {key}: {_in_words(error, types[key], value)}") from None


def _in_words(error: msgspec.ValidationError, kind: object, value: object) -> str:
    reason = str(error).partition(" - at `$")[0]
    # A table may hold what nobody should see; only plain values are repeated.
    shown = repr(value)[:80] if isinstance(value, str | int | float) else "what it holds"
    allowed = _literals(kind)
    if "matching regex" in reason or (allowed and isinstance(value, str)):
        reason = f"{shown} is not valid{nearest(str(value), allowed)}"
    elif "got `str`" in reason:
        reason = f"{shown} is not {'a number' if 'int' in reason or 'float' in reason else 'true or false'}"
    description = getattr(msgspec.inspect.type_info(kind), "extra_json_schema", None) or {}
    words = description.get("description")
    return f"{reason} ({words})" if words else reason


def _literals(kind: object) -> list[str]:
    schema = msgspec.json.schema(kind)
    branches = [schema, *schema.get("anyOf", [])]
    return [word for branch in branches for word in branch.get("enum", ()) if isinstance(word, str)]


def _types(struct: type[msgspec.Struct], prefix: str) -> Iterator[tuple[str, object]]:
    for field in msgspec.structs.fields(struct):
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            yield from _types(field.type, f"{prefix}{field.encode_name}.")
        else:
            yield prefix + field.encode_name, field.type


def _keys(struct: type[msgspec.Struct], prefix: str) -> Iterator[str]:
    return (key for key, _ in _types(struct, prefix))


def _variables(struct: type[msgspec.Struct], prefix: str) -> Iterator[tuple[str, str]]:
    for key, kind in _types(struct, prefix):
        info = msgspec.inspect.type_info(kind)
        extra = getattr(info, "extra", None) or {}
        if "env" in extra:
            yield extra["env"], key

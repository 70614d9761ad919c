"""plexctl.toml, the environment and the flags, laid over each other in that order, as a spec.

Unknown keys are errors that name the key and the nearest valid one; every error names where its value came from.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import msgspec

from plexctl.errors import ConfigurationError, PlexError, UsageError
from plexctl.nearest import nearest
from plexctl.spec import Spec

_OTHER_VARIABLES = frozenset(
    {
        "PLEXCTL_HOME",
        "PLEXCTL_TOKEN",
        "PLEXCTL_RUNPOD_URL",
        "PLEXCTL_RUNPOD_PROXY",
        "PLEXCTL_GOOGLE_URL",
        "PLEXCTL_OVH_URL",
        "PLEXCTL_SUDO_PASSWORD",
    }
)
"""Variables of plexctl that set no field of the spec."""
_FREE_PREFIXES = ("PLEXCTL_TEST_", "PLEXCTL_X_")
"""Variables that belong to tests and to other people's adapters."""

_ENVIRONMENT = "environment"
_COMMAND_LINE = "command line"
_AT = {">=": "at least", "<=": "at most", ">": "more than", "<": "less than"}
_IN_WORDS = {"int": "a number", "float": "a number", "bool": "true or false", "str": "text", "array": "a list"}
_BOUND = re.compile(r"Expected `\w+` (?P<length>of length )?(?P<sign>[<>]=?) (?P<number>[\d.e+]+)")
_SURROGATE = re.compile("[\ud800-\udfff]")
_WRONG_TYPE = re.compile(r"Expected `(?P<expected>\w+)[^`]*`, got")


def merge(environ: Mapping[str, str], flags: Mapping[str, object], file: Path | None, default: Path) -> Spec:
    """Return the spec; `default` is read where no `file` is named and may be missing. Raises ConfigurationError."""
    layers = [
        (str(file or default), _flatten(_read_toml(file, default))),
        (_ENVIRONMENT, _from_environment(environ)),
        (_COMMAND_LINE, {key: value for key, value in flags.items() if value is not None}),
    ]
    sources: dict[str, str] = {}
    merged: dict[str, object] = {}
    for source, layer in layers:
        _validate_one_by_one(layer, source)
        for key, value in layer.items():
            before = merged.get(key)
            sources[key] = source
            # `env` is laid over name by name: its keys are settings of their own.
            merged[key] = before | value if isinstance(before, dict) and isinstance(value, dict) else value
    return _convert(merged, sources)


@cache
def spec_variables() -> dict[str, str]:
    """Map each environment variable that sets a field of the spec to the field's dotted key."""
    return dict(_variables(Spec, ""))


@cache
def spec_keys() -> tuple[str, ...]:
    """Return every dotted key of the spec."""
    return tuple(_keys(Spec, ""))


def _read_toml(file: Path | None, default: Path) -> dict[str, object]:
    path = file or default
    try:
        with path.open("rb") as stream:
            return tomllib.load(stream)
    except FileNotFoundError:
        if file is None:
            return {}
        raise ConfigurationError(f"no such file: {path}", hint="`plexctl init` writes one") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is not valid TOML: {error}") from None
    except RecursionError:
        raise ConfigurationError(f"{path} is not valid TOML: it is nested too deeply") from None
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
    types = dict(_types(Spec, ""))
    return {key: _listed(environ[variable], types[key]) for variable, key in known.items() if environ.get(variable)}


def _listed(text: str, kind: object) -> object:
    """Return a variable's value; what is a list in the spec stands there with commas."""
    info = msgspec.inspect.type_info(kind)
    if not isinstance(getattr(info, "type", info), msgspec.inspect.VarTupleType):
        return text
    return [part.strip() for part in text.split(",") if part.strip()]


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
        if key in sections and value != {}:
            raise _refusal(sources[key], f"{key} is a table", f"write [{key}] and its keys below")
        if key not in spec_keys() and key not in sections:
            raise _refusal(sources[key], f"unknown key {key!r}{nearest(key, spec_keys())}")
        section, _, field = key.rpartition(".")
        target = nested.setdefault(section, {}) if section else nested
        if isinstance(target, dict):
            target[field] = value
    return msgspec.convert(nested, Spec, strict=False)


def _validate_one_by_one(layer: Mapping[str, object], source: str) -> None:
    """Check each value alone, so that an error names its own key and where it came from."""
    types = dict(_types(Spec, ""))
    for key, value in layer.items():
        if key not in types:
            continue
        try:
            # A file has types of its own; the environment and the command line have only text.
            msgspec.convert(value, types[key], strict=source not in (_ENVIRONMENT, _COMMAND_LINE))
        except msgspec.ValidationError as error:
            about = getattr(msgspec.inspect.type_info(types[key]), "extra_json_schema", None) or {}
            words = f"{key}: {_in_words(str(error), types[key], value)}"
            raise _refusal(source, words, about.get("description")) from None
        text = "".join(value.values()) if isinstance(value, dict) else str(value)
        if "\0" in text or _SURROGATE.search(text):
            raise _refusal(source, f"{key}: it is not UTF-8 text without NUL, which is all that an environment carries")


def _refusal(source: str, words: str, hint: str | None = None) -> PlexError:
    kind = UsageError if source == _COMMAND_LINE else ConfigurationError
    return kind(f"{source}: {words}", hint=hint)


def _in_words(reason: str, kind: object, value: object) -> str:
    """Say what msgspec means. What tables and lists hold is not repeated: it may be secret."""
    if isinstance(value, dict | list):
        part = "name in it is not made of letters, digits and _" if "regex" in reason else "value in it is not text"
        return f"a {part}"
    shown = repr(value)[:80]
    if bound := _BOUND.search(reason):
        limit = f"{_AT[bound['sign']]} {bound['number'].removesuffix('.0')}"
        return f"must have {limit} characters" if bound["length"] else f"must be {limit}, not {shown}"
    if wrong_type := _WRONG_TYPE.match(reason):
        return f"{shown} is not {_IN_WORDS.get(wrong_type['expected'], 'what belongs there')}"
    return f"{shown} is not valid{nearest(str(value), _literals(kind))}"


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

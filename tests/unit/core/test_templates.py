"""Templates are strict, and the commented plexctl.toml and its schema come true."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from plexctl.config import load_spec
from plexctl.errors import PlexError
from plexctl.example import example_toml, json_schema
from plexctl.layers import spec_keys, spec_variables
from plexctl.rendering import render
from plexctl.spec import Spec

_COMMENTED = re.compile(r"^# (?=\w+ = )", re.MULTILINE)
SCHEMA: dict[str, Any] = json.loads(json_schema())


def _without_examples(text: str) -> str:
    """Uncomment the lines that show a default; leave those that show an example where there is no default."""
    sections = SCHEMA["$defs"]
    defaults = {
        (section.lower(), key)
        for section, about in sections.items()
        for key, field in about["properties"].items()
        if not _examples(field) and "$ref" not in field
    }
    section, lines = "spec", []
    for line in text.splitlines():
        section = line.strip("[]") if line.startswith("[") else section
        key = line.removeprefix("# ").partition(" = ")[0]
        lines.append(line.removeprefix("# ") if (section, key) in defaults else line)
    return "\n".join(lines)


def _examples(field: dict[str, Any]) -> list[object]:
    return field.get("examples") or [one for part in field.get("anyOf", []) for one in part.get("examples", [])]


def _load(tmp_path: Path, text: str) -> Spec:
    path = tmp_path / "plexctl.toml"
    path.write_text(text, encoding="utf-8")
    return load_spec({}, {}, path)


def test_a_missing_value_is_a_bug_that_names_the_template() -> None:
    """Nothing is rendered with holes."""
    with pytest.raises(PlexError, match=r"init/plexctl\.toml\.j2.*sections"):
        render("init/plexctl.toml.j2", {"provider": "local"})


def test_a_missing_template_is_a_bug_that_names_it() -> None:
    """A wheel without its templates says so."""
    with pytest.raises(PlexError, match=r"nothing/here\.j2"):
        render("nothing/here.j2", {})


def test_the_example_as_written_is_the_default_spec(tmp_path: Path) -> None:
    """Everything but the provider is commented out."""
    assert _load(tmp_path, example_toml("local")) == Spec(provider="local")


def test_the_lines_that_show_a_default_show_the_default(tmp_path: Path) -> None:
    """Uncommenting them changes nothing."""
    text = _without_examples(example_toml("local"))
    assert text != example_toml("local")
    assert _load(tmp_path, text) == Spec(provider="local")


def test_every_line_of_the_example_is_valid(tmp_path: Path) -> None:
    """All uncommented, it loads, names every key once, and the schema agrees."""
    text = _COMMENTED.sub("", example_toml("local"))
    _load(tmp_path, text)
    table = tomllib.loads(text)
    jsonschema.validate(table, SCHEMA, cls=jsonschema.Draft202012Validator)
    keys = {
        f"{key}.{inner}" if isinstance(value, dict) and key != "env" else key
        for key, value in table.items()
        for inner in (value if isinstance(value, dict) else [""])
    }
    assert keys == set(spec_keys())


def test_every_variable_is_named_in_the_example() -> None:
    """Whoever reads the file learns what the environment can set."""
    text = example_toml("local")
    assert [variable for variable in spec_variables() if f"({variable})" not in text] == []


def test_the_schema_is_a_schema() -> None:
    """JSON Schema 2020-12, checked by its own meta-schema."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize(
    "text",
    [
        "nmae = 'x'",
        "name = 'Voice'",
        'name = "voice\\n"',
        "engine = 'echoo'",
        "[gateway]\nport = 0",
        "[gateway]\nport = '9000'",
        "[gateway]\nengines = 'all'",
        "[gateway]\ntext_prompt = ''",
        "[limits]\nttl_s = 0",
        "[limits]\nttl_s = 1e12",
        "[model]\nrepo = 'nvidia'",
        "[env]\n'A-B' = 'x'",
        "[env]\nA = 5",
        "secrets = ['A B']",
    ],
)
def test_schema_and_program_refuse_the_same(tmp_path: Path, text: str) -> None:
    """An editor that knows the schema and plexctl itself agree on what is wrong."""
    with pytest.raises(PlexError):
        _load(tmp_path, text)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(tomllib.loads(text), SCHEMA, cls=jsonschema.Draft202012Validator)

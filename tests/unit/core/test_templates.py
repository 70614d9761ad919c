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
from plexctl.errors import ConfigurationError, PlexError
from plexctl.example import example_toml, json_schema
from plexctl.flows.planning import template_findings
from plexctl.layers import spec_keys, spec_variables
from plexctl.model import Level
from plexctl.rendering import own_templates, render
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


def test_a_template_of_the_users_stands_before_ours(tmp_path: Path) -> None:
    """By name: what is not theirs is still ours."""
    own = tmp_path / "init" / "plexctl.toml.j2"
    own.parent.mkdir()
    own.write_text("mine for {{ provider }}\n", encoding="utf-8")
    assert render("init/plexctl.toml.j2", {"provider": "local"}, str(tmp_path)) == "mine for local\n"
    assert own_templates(str(tmp_path)) == (["init/plexctl.toml.j2"], [])


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("one\ntwo {{ colour }}\n", 2, "'colour' is undefined"),
        ("one\n\n{{ provider.colour.name }}\n", 3, "has no attribute 'colour'"),
        ("{% if provider %}\n\n", 2, "Unexpected end of template"),
        ("fine\n{% for %}\n", 2, "Expected an expression"),
        ("{% include 'nowhere.j2' %}\n", 1, "nowhere.j2"),
        ("{{ provider }}\n{{ provider / 2 }}\n", 2, "unsupported operand"),
    ],
)
def test_a_mistake_in_a_template_of_the_users_is_theirs(tmp_path: Path, text: str, line: int, words: str) -> None:
    """A missing variable names template and line, and is a configuration error, not a bug of ours."""
    own = tmp_path / "init" / "plexctl.toml.j2"
    own.parent.mkdir()
    own.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=re.escape(words)) as raised:
        render("init/plexctl.toml.j2", {"provider": "local"}, str(tmp_path))
    assert f"{own}, line {line}:" in raised.value.message


def test_a_template_that_is_no_text_is_told(tmp_path: Path) -> None:
    """Bytes that are no UTF-8 are the user's mistake, too."""
    own = tmp_path / "init" / "plexctl.toml.j2"
    own.parent.mkdir()
    own.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="utf-8"):
        render("init/plexctl.toml.j2", {"provider": "local"}, str(tmp_path))


def test_a_misspelt_template_is_told(tmp_path: Path) -> None:
    """A file that takes nothing's place is likely a slip."""
    (tmp_path / "init").mkdir()
    (tmp_path / "init" / "plexctl.tml.j2").write_text("", encoding="utf-8")
    found = template_findings(str(tmp_path))
    assert [one.level for one in found] == [Level.WARN]
    assert "did you mean 'init/plexctl.toml.j2'?" in found[0].message

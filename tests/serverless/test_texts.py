"""Values as Python, YAML and shell text: read back, they are the same."""

from __future__ import annotations

import ast
import subprocess
from importlib import import_module
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from plexctl_providers.cloudrun.files import shell_text
from plexctl_providers.cloudrun.yaml_text import as_yaml
from plexctl_providers.modal.files import python_text

YAML: Any = import_module("yaml")  # without types of its own
texts = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, min_size=1) | st.dictionaries(texts, inner, min_size=1),
    max_leaves=12,
)


@given(texts)
@example("'\"\\")
@example('say "x\\"')
def test_python_reads_back(text: str) -> None:
    """Whatever a user wrote, Python's parser gives it back."""
    assert ast.literal_eval(python_text(text)) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", '"plain"'),
        ('a "b"', "'a \"b\"'"),
        ('it\'s "x"', "'it\\'s \"x\"'"),
        (["A", "B"], '["A", "B"]'),
        (2.0, "2.0"),
    ],
)
def test_python_is_written_as_formatters_do(value: object, text: str) -> None:
    """Double quotes, unless single ones need fewer escapes."""
    assert python_text(value) == text


@given(st.dictionaries(texts, values, min_size=1))
@example(
    {
        "a": "yes",
        "b": "1",
        "c": "",
        "d": "x: y",
        "e": "- x",
        "f": "#",
        "g": "a\n",
        "h": "\x85\u2028\ufeff\x7f",
        "i": "~",
    }
)
@example({"no": ["a", ["b", {"c": {"d": "null"}}]], "1e3": "0x1f"})
def test_yaml_reads_back(value: dict[str, Any]) -> None:
    """Whatever a user wrote, a YAML parser gives it back with its type."""
    assert YAML.safe_load(as_yaml(value)) == value


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), min_size=1, max_size=40))
@example(["$(id) `id` $HOME \\ \" ' ! ${HOME} *"])
@settings(max_examples=20, deadline=None)
def test_shells_read_back(words: list[str]) -> None:
    """Nothing in a word is run or looked up but our own placeholders."""
    plain = [word.replace("${", "$ {") for word in words]
    script = "printf '%s\\0' " + " ".join(map(shell_text, plain))
    result = subprocess.run(["bash", "-c", script], capture_output=True, check=True, env={})
    assert result.stdout.decode().split("\0")[:-1] == plain


def test_shells_fill_placeholders() -> None:
    """A placeholder is the shell's own form of a variable."""
    script = f"printf %s {shell_text('a-${PLEXCTL_ID}-$x')}"
    result = subprocess.run(
        ["bash", "-c", script], capture_output=True, check=True, env={"PLEXCTL_ID": "b c", "x": "no"}
    )
    assert result.stdout == b"a-b c-$x"

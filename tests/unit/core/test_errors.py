"""The tree of errors is the one that is drawn, and the exit codes are the ones that are promised."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from plexctl import errors
from plexctl.errors import PlexError

README = Path(__file__).parents[3] / "README.md"
CODES = {
    "PlexError": (1, "bug"),
    "UsageError": (2, "usage"),
    "ConfigurationError": (3, "configuration"),
    "JournalError": (3, "journal"),
    "CredentialsError": (4, "credentials"),
    "NoCredentialsError": (4, "credentials"),
    "LicenceError": (5, "licence"),
    "PreflightError": (6, "preflight"),
    "NoCapacityError": (7, "no_capacity"),
    "ProviderError": (8, "provider"),
    "UnhealthyError": (9, "unhealthy"),
    "NotFoundError": (10, "not_found"),
    "ConflictError": (11, "conflict"),
    "ExtraMissingError": (12, "extra_missing"),
    "DriftError": (13, "drift"),
    "InterruptedByUser": (130, "interrupted"),
}
CLASSES = {name: value for name, value in inspect.getmembers(errors, inspect.isclass) if issubclass(value, PlexError)}


def test_codes_are_these() -> None:
    """Scripts rely on them: a change here is a change of the public interface."""
    assert {name: (kind.exit_code, kind.code) for name, kind in CLASSES.items()} == CODES


def test_the_drawn_tree_is_the_tree() -> None:
    """Each line of the docstring's drawing is a class with its parent and exit code, and no class is missing."""
    drawn: dict[str, tuple[str | None, int]] = {}
    parents: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"(?P<lead>[│├└─ ]*)(?P<name>\w+) +(?P<code>\d+)(?: {3}|$)", line)
        if match is None:
            continue
        depth = len(match["lead"]) // 4
        parents[depth:] = [match["name"]]
        drawn[match["name"]] = (parents[depth - 1] if depth else None, int(match["code"]))
    real = {
        name: (None if kind is PlexError else kind.__mro__[1].__name__, kind.exit_code)
        for name, kind in CLASSES.items()
    }
    assert drawn == real


def test_the_readme_promises_the_same_codes() -> None:
    """The README's table of exit codes names each code of the tree, and 0, and no other."""
    section = README.read_text(encoding="utf-8").partition("## Exit codes")[2].partition("\n## ")[0]
    if not section:
        pytest.skip("the README has no table of exit codes yet")
    promised = {int(code) for code in re.findall(r"^\| *`?(\d+)`? *\|", section, re.MULTILINE)}
    assert promised == {0} | {kind.exit_code for kind in CLASSES.values()}


def test_an_error_carries_its_words_apart() -> None:
    """Message, hint and data are separate, so that a document can hold each."""
    error = errors.UsageError("no such thing", hint="look again", data={"known": [1]})
    assert (str(error), error.message, error.hint, error.data) == (
        "no such thing",
        "no such thing",
        "look again",
        {"known": [1]},
    )

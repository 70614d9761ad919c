"""A Secret's value is given by `.reveal()` and by nothing else."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import traceback
from dataclasses import asdict, dataclass

import msgspec
import pytest

from plexctl.secret import Secret

CANARY = "canary-1c9e"


@dataclass(frozen=True)
class _Holder:
    secret: Secret


@pytest.mark.parametrize(
    "shown",
    [
        repr(Secret(CANARY)),
        str(Secret(CANARY)),
        f"{Secret(CANARY)}",
        f"{Secret(CANARY)!r:>40}",
        f"{Secret(CANARY):>40}",
        f"{Secret(CANARY):.3}",
        "{}".format(Secret(CANARY)),  # noqa: UP032 - another way to print
        "%s %r" % (Secret(CANARY), Secret(CANARY)),  # noqa: UP031 - another way to print
        repr([Secret(CANARY), {"a": Secret(CANARY)}]),
        repr(_Holder(Secret(CANARY))),
        str(ValueError(Secret(CANARY))),
        json.dumps({"a": Secret(CANARY)}, default=str),
    ],
)
def test_no_way_of_printing_shows_it(shown: str) -> None:
    """Every formatting that Python knows gives asterisks."""
    assert "***" in shown
    assert CANARY not in shown


@pytest.mark.parametrize(
    "copying",
    [
        pickle.dumps,
        copy.copy,
        copy.deepcopy,
        json.dumps,
        msgspec.json.encode,
        msgspec.to_builtins,
        lambda secret: asdict(_Holder(secret)),
    ],
    ids=["pickle", "copy", "deepcopy", "json", "msgspec", "builtins", "asdict"],
)
def test_no_way_of_serialising_takes_it_along(copying: object) -> None:
    """It cannot slip into a cache, a document or another process: each raises, without the value."""
    assert callable(copying)
    with pytest.raises(TypeError) as caught:
        copying(Secret(CANARY))
    assert CANARY not in str(caught.value)


def test_a_traceback_with_locals_does_not_show_it() -> None:
    """Tools that print the variables of each frame print asterisks."""
    token = Secret(CANARY)
    with pytest.raises(RuntimeError) as caught:
        raise RuntimeError(f"refused: {token}")
    text = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert "Secret('***')" in text
    # The line that made it is not among the frames' values.
    assert CANARY not in text.replace("CANARY", "")


def test_logging_does_not_show_it(caplog: pytest.LogCaptureFixture) -> None:
    """A log record keeps the object and prints asterisks."""
    logging.getLogger("test").warning("token %s", Secret(CANARY))
    assert "token ***" in caplog.text
    assert CANARY not in caplog.text


def test_it_has_no_dictionary_to_look_into() -> None:
    """`vars` and `__dict__`, which debuggers and dumpers use, find nothing."""
    assert not hasattr(Secret(CANARY), "__dict__")


def test_it_compares_by_value_and_knows_emptiness() -> None:
    """Two secrets of one value are equal and hash alike; an empty one is false; a plain string is never equal."""
    assert Secret(CANARY) == Secret(CANARY)
    assert hash(Secret(CANARY)) == hash(Secret(CANARY))
    assert Secret(CANARY) != Secret("other")
    assert Secret(CANARY) != CANARY
    assert not Secret("")
    assert Secret(CANARY).reveal() == CANARY

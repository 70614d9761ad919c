"""What reaches stdout and stderr, and in which form."""

from __future__ import annotations

import io
import json
import os
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plexctl.errors import NotFoundError, PlexError, UsageError
from plexctl.output import Output, escape

CONTROLS = [chr(code) for code in (*range(32), *range(0x7F, 0xA0)) if chr(code) != "\t"]
DIRECTION = list("\u061c\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain text, é, 日本, שלום, 👋", "plain text, é, 日本, שלום, 👋"),
        ("a\tb", "a\tb"),
        ("a\nb\r", "a\\x0ab\\x0d"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("\x1b[2J\x1b[H", "\\x1b[2J\\x1b[H"),
        ("\x1b\x1b[0m[31m", "\\x1b[31m"),
        ("\x9b31m", "\\x9b31m"),
        ("safe\u202etxt.exe", "safe\\u202etxt.exe"),
        ("\u2066hidden\u2069", "\\u2066hidden\\u2069"),
        ("\x00\x7f\x85", "\\x00\\x7f\\x85"),
        ("\ud800", "?"),
    ],
)
def test_foreign_text_is_shown_and_not_obeyed(text: str, expected: str) -> None:
    """Colours are dropped; whatever else moves a cursor, sets a title or turns a line around is shown as a code."""
    assert escape(text) == expected


@given(st.lists(st.characters() | st.sampled_from([*CONTROLS, *DIRECTION, "\x1b[1m", "\x1b["])))
def test_no_text_can_drive_a_terminal(pieces: list[str]) -> None:
    """Whatever comes in: no control character but tab, no mark of direction, and it can be encoded."""
    safe = escape("".join(pieces))
    safe.encode()
    assert not set(safe) & {*CONTROLS, *DIRECTION}
    assert all(unicodedata.category(character) != "Cc" or character == "\t" for character in safe)


def test_a_success_is_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    """With --json: nothing on stdout but the document, which is pure ASCII; progress goes to stderr."""
    output = Output(as_json=True)
    output.line("for a reader")
    output.table(("A",), [("b",)])
    output.progress("half way")
    output.document("status", {"text": "é\x1b"})
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {
        "schema": "plexctl/v1",
        "ok": True,
        "command": "status",
        "data": {"text": "é\x1b"},
    }
    assert captured.out.isascii()
    assert captured.err == "  half way\n"


def test_a_failure_is_one_document_with_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    """The error's code, exit code, message, hint and data."""
    Output(as_json=True).failure(NotFoundError("no deployment named 'x'", hint="see `plexctl list`", data={"near": []}))
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {
        "schema": "plexctl/v1",
        "ok": False,
        "error": {
            "code": "not_found",
            "exit_code": 10,
            "message": "no deployment named 'x'",
            "hint": "see `plexctl list`",
        },
        "data": {"near": []},
    }
    assert captured.err == ""


def test_a_failure_for_a_reader_is_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    """Stdout stays clean for whoever pipes it; foreign words in a message are escaped."""
    Output().failure(UsageError("no \x1b[2J such thing", hint="look"))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "error: no \\x1b[2J such thing\n  fix: look\n"


def test_a_bug_asks_to_be_reported(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1 is plexctl's own fault, and it says so."""
    Output().failure(PlexError("KeyError at x.py:3"))
    assert "bug in plexctl" in capsys.readouterr().err


def test_a_stream_is_a_document_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """--follow and --watch: each line is whole in itself, whatever its text holds."""
    output = Output(as_json=True)
    output.stream_document({"text": "a\nb"})
    output.stream_document({"text": "c"})
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["data"]["text"] for line in lines] == ["a\nb", "c"]


def test_progress_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Polling does not fill the terminal with the same line."""
    output = Output()
    for text in ("loading", "loading", "ready", "loading"):
        output.progress(text)
    assert capsys.readouterr().err.split() == ["loading", "ready", "loading"]


def test_a_table_lines_up_and_hides_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Plain columns without a terminal, cells escaped."""
    Output().table(("NAME", "STATE"), [("voice", "ready"), ("a", "\x1b[2Jx")])
    assert capsys.readouterr().out == "NAME   STATE\nvoice  ready\na      \\x1b[2Jx\n"


@pytest.mark.parametrize("as_json", [False, True])
def test_without_a_terminal_nothing_asks(as_json: bool, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: FBT001
    """It fails at once and names the flag that answers."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    with pytest.raises(UsageError) as caught:
        Output(as_json).confirm("remove it?", yes=False)
    assert caught.value.hint == "pass --yes"
    Output(as_json).confirm("remove it?", yes=True)


@pytest.mark.parametrize(
    ("answer", "agrees"), [("y\n", True), ("YES\n", True), ("\n", False), ("n\n", False), ("", False), ("yep\n", False)]
)
def test_with_a_terminal_only_yes_is_yes(answer: str, agrees: bool, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: FBT001
    """Return, no, and the end of the input all mean that nothing is changed."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    monkeypatch.setattr(sys, "stderr", Terminal())
    if agrees:
        Output().confirm("remove it?", yes=False)
        return
    with pytest.raises(UsageError, match="nothing was changed"):
        Output().confirm("remove it?", yes=False)


def test_a_reader_of_stderr_that_has_gone_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A note into a closed pipe is lost, and what is under way goes on."""
    receiver, sender = os.pipe()
    os.close(receiver)
    closed = os.fdopen(sender, "w", buffering=1)
    monkeypatch.setattr(sys, "stderr", closed)
    Output().note("nobody hears this")
    monkeypatch.undo()
    with pytest.raises(BrokenPipeError):
        closed.close()


def test_a_closed_stderr_does_not_turn_notes_into_output(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With `2>&-` Python has no stderr at all: notes must not land in the document."""
    monkeypatch.setattr(sys, "stderr", None)
    Output(as_json=True).note("a note")
    assert capsys.readouterr().out == ""

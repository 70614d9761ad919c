"""Runs a command line and returns its exit code; the only place where errors end."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
from types import FrameType
from typing import TYPE_CHECKING, cast

from plexctl.cli.table import COMMANDS
from plexctl.errors import InterruptedByUser, PlexError, UsageError
from plexctl.output import Output

if TYPE_CHECKING:
    from collections.abc import Sequence

_SECRET_FLAGS = ("--secret", "--token", "--env")
_HELP = ("--help", "-h")
_EXTRA_ARGUMENT = "unexpected extra argument"


def run(argv: Sequence[str]) -> int:
    """Run plexctl with these arguments; say what failed; return the exit code of `plexctl.errors`."""
    output = Output(as_json="--json" in argv)
    for name in ("SIGTERM", "SIGHUP"):  # a closed terminal rolls back too, but not under nohup; Windows has none
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    _ready_stdout()
    try:
        return _run(argv, output)
    finally:
        _settle_stderr()


def _run(argv: Sequence[str], output: Output) -> int:
    try:
        return _dispatch(list(argv), output)
    except PlexError as error:
        return _fail(output, error)
    except KeyboardInterrupt:
        return _fail(output, InterruptedByUser("interrupted"))
    except BrokenPipeError:
        _hush()
        return 0
    except Exception as error:  # noqa: BLE001 - the last resort: a bug still gets its exit code and document
        return _fail(output, _bug(error))


def _dispatch(argv: list[str], output: Output) -> int:
    before, chosen, after = split(argv)
    if not argv:
        before = ["--help"]
    if argv and not any(argument in _HELP for argument in argv):
        return _run_typer([*before, *after], chosen)
    with contextlib.redirect_stdout(io.StringIO()) as text:
        code = _run_typer([*before, *after], chosen)
    for line in text.getvalue().splitlines():
        output.line(line)
    output.document("help", {"help": text.getvalue()})
    return code


def split(argv: Sequence[str]) -> tuple[list[str], str | None, list[str]]:
    """Return the flags before the command, the command, and it with its arguments: `--json` counts in either place."""
    at = next((place for place, argument in enumerate(argv) if not argument.startswith("-")), len(argv))
    before, chosen, after = list(argv[:at]), argv[at] if at < len(argv) else None, list(argv[at:])
    if chosen is not None and "--json" in before and "--json" not in after:
        after.insert(1, "--json")
    return before, chosen, after


def _run_typer(argv: list[str], chosen: str | None) -> int:
    import typer
    from typer.main import get_command

    from plexctl.cli.app import build_app

    # Typer's own Click is private; its public exception's ancestors are not.
    wrong_usage = cast("type[Exception]", typer.BadParameter.__mro__[2])
    try:
        code = get_command(build_app(chosen)).main(args=argv, prog_name="plexctl", standalone_mode=False) or 0
    except typer.Abort:
        raise KeyboardInterrupt from None
    except SystemExit as error:
        # Typer's way to end when nobody reads its output; `run` has its own.
        raise error.__context__ or error from None
    except wrong_usage as error:
        raise _wrong_usage(getattr(error, "format_message", error.__str__)(), argv, chosen) from None
    if code == InterruptedByUser.exit_code:
        # Typer swallows Ctrl-C and returns this: said in `run`, like every failure.
        raise KeyboardInterrupt
    return code


def _wrong_usage(words: str, argv: Sequence[str], chosen: str | None) -> UsageError:
    if _EXTRA_ARGUMENT in words and any(argument.startswith(_SECRET_FLAGS) for argument in argv):
        # It may be a value that was meant for the flag: what might be secret is not repeated.
        words = f"{_EXTRA_ARGUMENT}, not repeated here because it may be a secret"
    place = f"plexctl {chosen}" if chosen in COMMANDS else "plexctl"
    return UsageError(" ".join(words.split()), hint=f"see `{place} --help`")


def _fail(output: Output, error: PlexError) -> int:
    # A second Ctrl-C must not cut off what the first one has to say.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        output.failure(error)
    except BrokenPipeError:
        _hush()
    except PlexError:
        # There is no room for the document: the words, at least, on stderr.
        Output().failure(error)
    try:
        sys.stdout.flush()
    except OSError:
        _hush()
    return error.exit_code


def _ready_stdout() -> None:
    """Make printing safe whatever stdout is: closed, or in an encoding that lacks our letters."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - it lives as long as we do
    elif isinstance(sys.stdout, io.TextIOWrapper):
        with contextlib.suppress(OSError):  # It flushes; who prints next says what is wrong.
            sys.stdout.reconfigure(errors="backslashreplace")


def _settle_stderr() -> None:
    """Drop what nobody reads: Python would try to write it again at exit, and exit with 120."""
    try:
        if sys.stderr is not None:
            sys.stderr.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def _hush() -> None:
    """Take no more output: whoever read it has gone, and writing at exit would only fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _bug(error: Exception) -> PlexError:
    """Describe an unforeseen error by type and place only: its text might hold a secret."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    place = f" at {os.path.basename(frame.tb_frame.f_code.co_filename)}:{frame.tb_lineno}" if frame else ""  # noqa: PTH119
    return PlexError(f"{type(error).__name__}{place}")


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt

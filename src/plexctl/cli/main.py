"""Runs a command line and returns its exit code; the only place where errors end."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import TYPE_CHECKING, cast

from plexctl.errors import InterruptedByUser, PlexError, UsageError
from plexctl.output import Output

if TYPE_CHECKING:
    from collections.abc import Sequence


def run(argv: Sequence[str]) -> int:
    """Run plexctl with these arguments; say what failed; return the exit code of `plexctl.errors`."""
    output = Output(as_json="--json" in argv)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        code = _dispatch(list(argv))
        sys.stdout.flush()
    except PlexError as error:
        return _fail(output, error)
    except KeyboardInterrupt:
        return _fail(output, InterruptedByUser("interrupted"))
    except BrokenPipeError:
        # Whoever read our output has gone; writing more, at exit too, would only fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # noqa: BLE001 - the last resort: a bug still gets its exit code and document
        return _fail(output, _bug(error))
    return code


def _dispatch(argv: list[str]) -> int:
    import typer
    from typer.main import get_command

    from plexctl.cli.app import app

    # Typer's own Click is private; its public exception's ancestors are not.
    wrong_usage = cast("type[Exception]", typer.BadParameter.__mro__[2])
    try:
        return get_command(app).main(args=argv, prog_name="plexctl", standalone_mode=False) or 0
    except typer.Abort:
        raise KeyboardInterrupt from None
    except wrong_usage as error:
        words = getattr(error, "format_message", error.__str__)()
        raise UsageError(words.replace("\n", " "), hint="see `plexctl --help` or `plexctl COMMAND --help`") from None


def _fail(output: Output, error: PlexError) -> int:
    # A second Ctrl-C must not cut off what the first one has to say.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    output.failure(error)
    return error.exit_code


def _bug(error: Exception) -> PlexError:
    """Describe an unforeseen error by type and place only: its text might hold a secret."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    place = f" at {os.path.basename(frame.tb_frame.f_code.co_filename)}:{frame.tb_lineno}" if frame else ""  # noqa: PTH119
    return PlexError(f"{type(error).__name__}{place}")


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt

"""Where words go: one JSON document or readable lines on stdout, progress and warnings on stderr.

Text that came from somewhere else (logs, servers, providers) is escaped before it is shown, so that no terminal
can be driven by it. No meaning is carried by colour alone; rich is loaded only for a terminal or a table.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from plexctl.errors import ConfigurationError, PlexError, UsageError

SCHEMA = "plexctl/v1"
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_LAST_BYTE = 0xFF
_UNSAFE = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""Control characters but tab, line separators, marks of writing direction: what drives or reorders a terminal."""
_BUG_HINT = "this is a bug in plexctl: please report what you ran and this line"


def escape(text: str) -> str:
    r"""Return text that no terminal obeys: colours dropped, what else drives or reorders it shown as `\xNN`."""
    safe = _UNSAFE.sub(_shown, _COLOUR.sub("", text))
    return safe.encode("utf-8", "replace").decode("utf-8")


def _shown(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code <= _LAST_BYTE else f"\\u{code:04x}"


def _print(text: str) -> None:
    try:
        print(text, flush=True)  # noqa: T201 - this is where printing lives
    except BrokenPipeError:
        raise  # The reader has left; `plexctl.cli.main` knows what that means.
    except OSError as error:
        hint = "send it to where there is room for it"
        raise ConfigurationError(f"cannot write the output: {error.strerror}", hint=hint) from None


@dataclass(slots=True)
class Output:
    """The one place that prints. `as_json` puts exactly one document on stdout, whatever happens."""

    as_json: bool = False
    _last_progress: str = field(default="", init=False)

    def line(self, text: str = "") -> None:
        """Print a line for a reader; nothing in JSON mode."""
        if not self.as_json:
            _print(escape(text))

    def note(self, text: str) -> None:
        """Print a line of progress or warning on stderr; when nobody reads it, what is under way goes on."""
        if sys.stderr is None:  # closed; print would take stdout
            return
        with suppress(OSError):
            print(escape(text), file=sys.stderr, flush=True)  # noqa: T201 - the same

    def progress(self, text: str) -> None:
        """Tell how far something is; a repeated text is told once."""
        if text != self._last_progress:
            self._last_progress = text
            self.note(f"  {text}")

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print rows in aligned columns; nothing in JSON mode."""
        if self.as_json:
            return
        cells = [list(header), *([escape(cell) for cell in row] for row in rows)]
        if sys.stdout.isatty():
            self._rich_table(cells)
            return
        widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
        for row in cells:
            self.line("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())

    def document(self, command: str, data: object) -> None:
        """Print the document of a command that succeeded; nothing for a reader."""
        if self.as_json:
            self._print_json({"schema": SCHEMA, "ok": True, "command": command, "data": data})

    def stream_document(self, data: object) -> None:
        """Print one compact document on a line of its own, for `--follow` and `--watch`."""
        _print(json.dumps({"schema": SCHEMA, "ok": True, "data": data}))

    def failure(self, error: PlexError) -> None:
        """Say what failed and what to do about it."""
        hint = error.hint if error.exit_code != 1 else (error.hint or _BUG_HINT)
        if self.as_json:
            problem = {"code": error.code, "exit_code": error.exit_code, "message": error.message, "hint": hint}
            document: dict[str, object] = {"schema": SCHEMA, "ok": False, "error": problem}
            if error.data is not None:
                document["data"] = error.data
            self._print_json(document)
            return
        self.note(f"error: {error.message}")
        if hint:
            self.note(f"  fix: {hint}")

    def confirm(self, question: str, *, yes: bool, flag: str = "--yes") -> None:
        """Return when the user agrees. Raises UsageError without a terminal, or when they do not."""
        if yes:
            return
        if self.as_json or not all(stream and stream.isatty() for stream in (sys.stdin, sys.stderr)):
            raise UsageError(f"{question} Nobody can be asked without a terminal", hint=f"pass {flag}")
        print(f"{escape(question)} [y/N] ", end="", file=sys.stderr, flush=True)  # noqa: T201 - the same
        if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
            raise UsageError("not confirmed: nothing was changed", hint=f"pass {flag} to go ahead")

    def _print_json(self, document: Mapping[str, object]) -> None:
        _print(json.dumps(document, indent=2))

    def _rich_table(self, cells: Sequence[Sequence[str]]) -> None:
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, header_style="bold")
        for title in cells[0]:
            table.add_column(title)
        for row in cells[1:]:
            table.add_row(*(Text(cell) for cell in row))
        Console(highlight=False).print(table)

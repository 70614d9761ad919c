"""Draws the README's picture: a real run of plexctl, recorded as SVG. `python scripts/picture.py docs/deploy.svg`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

_COMMANDS = (
    ("deploy", "--provider", "local", "--engine", "echo", "--yes"),
    ("status",),
    ("stop",),
    ("destroy", "--yes"),
)
_WIDTH = 112


def main() -> None:
    """Run the commands for real and write the picture to the file named."""
    target = Path(sys.argv[1])
    console = Console(record=True, width=_WIDTH, file=open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115
    with tempfile.TemporaryDirectory() as home:
        for command in _COMMANDS:
            console.print(Text(f"$ plexctl {' '.join(command)}", style="bold"))
            console.print(Text(_output_of(command, home)))
    svg = console.export_svg(title="plexctl", theme=MONOKAI)
    # rich's frame names a font on somebody's server; the picture must be whole by itself.
    target.write_text(re.sub(r"@font-face \{.*?\}\n?", "", svg, flags=re.DOTALL), encoding="utf-8")
    print(f"wrote {target}")


def _output_of(command: tuple[str, ...], home: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "plexctl", *command],
        env={**os.environ, "PLEXCTL_HOME": home, "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=True,
        text=True,
    )
    return done.stdout


if __name__ == "__main__":
    main()

"""Reads `.env` files: `KEY=VALUE` by the line, `export`, comments and quotes. It expands and runs nothing."""

from __future__ import annotations

import re
from pathlib import Path

from plexctl.errors import ConfigurationError

_LINE = re.compile(
    r"""^[ \t]*(?:export[ \t]+)?(?P<key>[A-Za-z_][A-Za-z0-9_.]*)[ \t]*=[ \t]*
    (?:'(?P<single>[^'\n]*)'|"(?P<double>(?:[^"\\\n]|\\.)*)"|(?P<bare>[^\n]*?))[ \t]*(?:(?<![^ \t'"=])\#[^\n]*)?$""",
    re.MULTILINE | re.VERBOSE,
)
_ESCAPED = re.compile(r"\\(.)")
_LARGEST = 1 << 20
_HINT = "name a file with lines such as HF_TOKEN=..."


def read_dotenv(path: Path) -> dict[str, str]:
    """Return a file's variables. Raises ConfigurationError for a file that cannot be read."""
    try:
        with path.open("rb") as stream:
            content = stream.read(_LARGEST + 1)
        if len(content) > _LARGEST:
            raise ConfigurationError(f"{path} is too large for an environment file", hint=_HINT)
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}", hint=_HINT) from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"cannot read {path}: it is not UTF-8 text", hint=_HINT) from None
    return parse_dotenv(text)


def parse_dotenv(text: str) -> dict[str, str]:
    """Return the variables of a text; a later line wins, and a line that is none is left out."""
    found = {}
    for line in _LINE.finditer(text.replace("\r\n", "\n").replace("\r", "\n")):
        quoted = line["single"] if line["single"] is not None else line["double"]
        value = line["bare"] if quoted is None else quoted
        found[line["key"]] = _ESCAPED.sub(r"\1", value) if line["double"] is not None else value
    return found

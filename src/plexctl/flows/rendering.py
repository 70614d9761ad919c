"""`render`: everything that a deploy would use, as files to read and to take away.

They come from the same plan and the same builders as what is sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from plexctl.catalog.wishes import Wish
from plexctl.errors import ConfigurationError, ConflictError
from plexctl.flows import planning
from plexctl.flows.planning import Planned
from plexctl.flows.session import Session
from plexctl.registry import pure_half
from plexctl.spec import Spec

_SHOWN = 5
_SCRIPT = 0o755
_TEXT = 0o644


@dataclass(frozen=True, slots=True)
class Rendered:
    """Path to text, and the plan that they are made from."""

    planned: Planned
    files: dict[str, str]


def render(session: Session, spec: Spec, wish: Wish, *, force: bool = False) -> Rendered:
    """Lay out what would be done and return it as files; touches nothing. Raises what `planning.plan` raises."""
    planned = planning.plan(session, spec, wish, force=force, is_elsewhere=True)
    files = pure_half(planned.plan.provider).build_files(planned.spec, planned.plan)
    return Rendered(planned, dict(sorted(files.items())))


def write(files: Mapping[str, str], folder: Path, *, overwrite: bool) -> list[str]:
    """Write the files below `folder`, each whole or not at all, and return the paths that changed.

    What is there already with the same text is left alone. Raises ConflictError, before anything is written, for files
    with another text unless `overwrite`; ConfigurationError for a folder that cannot be written.
    """
    try:
        changed = [path for path, text in files.items() if _text_of(folder / path) != text]
        if not overwrite:
            _refuse_others(folder, [path for path in changed if (folder / path).exists()])
        for path in changed:
            _write(folder / path, files[path])
    except OSError as error:
        words = f"cannot write {error.filename or folder}: {error.strerror}"
        raise ConfigurationError(words, hint="name a folder of yours with --out") from None
    return changed


def _refuse_others(folder: Path, others: list[str]) -> None:
    if others:
        more = f" and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
        words = f"{folder} has other files of the same names: {', '.join(others[:_SHOWN])}{more}"
        raise ConflictError(words, hint="name an empty folder, or pass --overwrite")


def _text_of(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, UnicodeDecodeError):
        return None


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beginning = path.with_name(f".{path.name}.new")
    beginning.write_text(text, encoding="utf-8", newline="\n")
    beginning.chmod(_SCRIPT if PurePosixPath(path).suffix == ".sh" else _TEXT)
    beginning.replace(path)

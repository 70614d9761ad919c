"""Templates to text: strict about what is missing; the user's own templates stand before plexctl's.

plexctl's come from the package `plexctl_templates`, the user's from a folder (`templates.folder` of the spec) in which
a file takes the place of the one of the same path, such as `container/Dockerfile.j2`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from plexctl.errors import ConfigurationError, PlexError

_SUFFIX = ".j2"


def render(template: str, values: Mapping[str, object], folder: str | None = None) -> str:
    """Return the text of `template` (a path such as `container/Dockerfile.j2`) with these values.

    `folder` is the user's, looked into first. Raises ConfigurationError for a mistake in a template of the user's, and
    PlexError for one of ours, which is a bug; both name template and line.
    """
    from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PackageLoader, StrictUndefined

    ours = PackageLoader("plexctl_templates", "")
    environment = Environment(
        loader=ours if folder is None else ChoiceLoader([FileSystemLoader(folder), ours]),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701 - it makes TOML, YAML and shell, not HTML
    )
    try:
        return environment.get_template(template).render(values)
    except Exception as error:  # a template may do, and raise, anything
        raise _refusal(template, folder, error) from error


def own_templates(folder: str) -> tuple[list[str], list[str]]:
    """Return the user's templates that stand before plexctl's, and those beside them that are called as none of ours.

    Only folders of plexctl's names are looked into: others are somebody else's.
    """
    ours = set(template_names())
    folders = {name.partition("/")[0] for name in ours}
    found = (path for one in folders for path in Path(folder, one).rglob(f"*{_SUFFIX}"))
    names = {path.relative_to(folder).as_posix() for path in found}
    return sorted(names & ours), sorted(names - ours)


def template_names() -> list[str]:
    """Return the names of plexctl's own templates."""
    return sorted(_names_below(files("plexctl_templates"), ""))


def _names_below(folder: Traversable, prefix: str) -> Iterator[str]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _names_below(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(_SUFFIX):
            yield prefix + entry.name


def _refusal(template: str, folder: str | None, error: Exception) -> PlexError:
    path, line = _place_of(error)
    own = folder is not None and (Path(path).is_relative_to(folder) if path else Path(folder, template).is_file())
    where = (path if own else None) or (f"{folder}/{template}" if own else template)
    words = f"template {where}{f', line {line}' if line else ''}: {error}"
    if not own:
        return PlexError(words)
    return ConfigurationError(words, hint="correct it, or take it away to have plexctl's own")


def _place_of(error: Exception) -> tuple[str | None, int | None]:
    """Return file and line: told by syntax errors, written by Jinja into the traceback for what is undefined."""
    path, line = getattr(error, "filename", None), getattr(error, "lineno", None)
    step = error.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename.endswith(_SUFFIX):
            path, line = step.tb_frame.f_code.co_filename, step.tb_lineno
        step = step.tb_next
    return path, line

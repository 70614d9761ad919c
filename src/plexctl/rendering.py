"""Templates to text: strict about what is missing; the user's own templates stand before plexctl's.

plexctl's come from the package `plexctl_templates`, the user's from a folder (`templates.folder` of the spec) in which
a file takes the place of the one of the same path, such as `container/Dockerfile.j2`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from plexctl.errors import ConfigurationError, PlexError

if TYPE_CHECKING:
    from jinja2 import TemplateError


def render(template: str, values: Mapping[str, object], folder: str | None = None) -> str:
    """Return the text of `template` (a path such as `container/Dockerfile.j2`) with these values.

    `folder` is the user's, looked into first. Raises ConfigurationError for a mistake in a template of the user's, and
    PlexError for one of ours, which is a bug; both name template and line.
    """
    from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PackageLoader, StrictUndefined, TemplateError

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
    except (TemplateError, UnicodeDecodeError, OSError) as error:
        raise _refusal(template, folder, error) from error


def is_own(template: str, folder: str | None) -> bool:
    """Tell whether the user has a template of that name."""
    return folder is not None and Path(folder, template).is_file()


def _refusal(template: str, folder: str | None, error: TemplateError | UnicodeDecodeError | OSError) -> PlexError:
    line = _line_of(error)
    words = f"{error}" or type(error).__name__
    if not is_own(template, folder):
        return PlexError(f"template {template}{f', line {line}' if line else ''}: {words}")
    where = f"{Path(folder or '', template)}{f', line {line}' if line else ''}"
    hint = "correct it, or take it away to have plexctl's own"
    return ConfigurationError(f"template {where}: {words}", hint=hint)


def _line_of(error: BaseException) -> int | None:
    """Return the template's line: Jinja tells it for syntax, and writes it into the traceback for what is undefined."""
    told = getattr(error, "lineno", None)
    step = error.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename.endswith(".j2"):
            told = step.tb_lineno
        step = step.tb_next
    return told

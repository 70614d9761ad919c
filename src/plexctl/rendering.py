"""Templates to text: strict about what is missing, loaded from the package `plexctl_templates`."""

from __future__ import annotations

from collections.abc import Mapping

from plexctl.errors import PlexError


def render(template: str, values: Mapping[str, object]) -> str:
    """Return the text of `template` (a path such as `init/plexctl.toml.j2`) with these values.

    Raises PlexError with template and line when a value is missing: that is a bug of ours.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined, TemplateError

    environment = Environment(
        loader=PackageLoader("plexctl_templates", ""),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701 - it makes TOML, YAML and shell, not HTML
    )
    try:
        return environment.get_template(template).render(values)
    except TemplateError as error:
        line = getattr(error, "lineno", None)
        raise PlexError(f"template {template}{f', line {line}' if line else ''}: {error}") from error

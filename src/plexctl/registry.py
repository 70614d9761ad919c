"""Which providers there are, without importing any of them.

Built-in adapters stand in a lazy table; others come through the entry-point group `plexctl.providers`, whose names
may not shadow a built-in one.
"""

from __future__ import annotations

from importlib import import_module
from typing import cast

from plexctl.contract import Provider
from plexctl.errors import ConfigurationError, ExtraMissingError
from plexctl.nearest import nearest

ENTRY_POINT_GROUP = "plexctl.providers"

BUILT_IN: dict[str, str] = {
    "local": "plexctl_providers.local.adapter:LocalProvider",
}
"""Name to `module:Class`."""


def names() -> list[str]:
    """Return the names of all providers that can be used, built-in ones first."""
    return [*BUILT_IN, *sorted(set(_entry_points()) - set(BUILT_IN))]


def provider_class(name: str) -> type[Provider]:
    """Import and return an adapter's class.

    Raises ConfigurationError for an unknown name, ExtraMissingError when a package that it needs is missing.
    """
    target = BUILT_IN.get(name) or _entry_points().get(name)
    if target is None:
        known = names()
        raise ConfigurationError(
            f"unknown provider {name!r}{nearest(name, known)}", hint=f"known providers: {', '.join(known)}"
        )
    module, _, attribute = target.partition(":")
    try:
        return cast("type[Provider]", getattr(import_module(module), attribute))
    except ModuleNotFoundError as error:
        raise ExtraMissingError(
            f"provider {name} needs the package {error.name}, which is not installed",
            hint=f"pip install 'plexctl[{name}]'",
        ) from error


def _entry_points() -> dict[str, str]:
    from importlib.metadata import entry_points

    return {point.name: point.value for point in entry_points(group=ENTRY_POINT_GROUP)}

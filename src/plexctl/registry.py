"""Which providers there are, without importing any of them.

Built-in adapters stand in a lazy table; others come through the entry-point group `plexctl.providers`, whose names
may not shadow a built-in one.
"""

from __future__ import annotations

from importlib import import_module
from typing import cast

from plexctl.contract import Provider, PureHalf
from plexctl.errors import ConfigurationError, ExtraMissingError
from plexctl.nearest import nearest

ENTRY_POINT_GROUP = "plexctl.providers"

BUILT_IN: dict[str, str] = {
    "local": "plexctl_providers.local.adapter:LocalProvider",
    "ssh": "plexctl_providers.ssh.adapter:SshProvider",
    "modal": "plexctl_providers.modal.adapter:ModalProvider",
    "cloudrun": "plexctl_providers.cloudrun.adapter:CloudRunProvider",
    "runpod": "plexctl_providers.runpod.adapter:RunPodProvider",
    "vast": "plexctl_providers.vast.adapter:VastProvider",
    "lambda": "plexctl_providers.lambda_cloud.adapter:LambdaProvider",
    "ovh": "plexctl_providers.ovh.adapter:OvhProvider",
}
"""Name to `module:Class`."""
PURE: dict[str, str] = {
    "local": "plexctl_providers.local",
    "ssh": "plexctl_providers.ssh",
    "modal": "plexctl_providers.modal",
    "cloudrun": "plexctl_providers.cloudrun",
    "runpod": "plexctl_providers.runpod",
    "vast": "plexctl_providers.vast",
    "lambda": "plexctl_providers.lambda_cloud",
    "ovh": "plexctl_providers.ovh",
}
"""Name to the package whose modules `requests` and `files` are the adapter's pure half."""
THIS_MACHINE = "local"
"""The provider that looks at the machine that plexctl runs on, and asks nobody else."""
OWN_HARDWARE = (THIS_MACHINE, "ssh")
"""Providers that run on hardware of the user's own: nobody sells it."""


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


def pure_half(name: str) -> PureHalf:
    """Import and return the pure half of a built-in adapter; needs no extra. Raises ConfigurationError."""
    package = PURE.get(name)
    if package is None:
        hint = f"built in are {', '.join(PURE)}"
        raise ConfigurationError(f"provider {name!r} has nothing to render{nearest(name, PURE)}", hint=hint)
    requests, files = import_module(f"{package}.requests"), import_module(f"{package}.files")
    return PureHalf(requests.build_plan, requests.check, files.build_files)


def _entry_points() -> dict[str, str]:
    from importlib.metadata import entry_points

    return {point.name: point.value for point in entry_points(group=ENTRY_POINT_GROUP)}

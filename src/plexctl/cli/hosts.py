"""Flags that say which hosts, and how one gets there, shared by `plan`, `render` and `deploy`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Annotated

import typer

from plexctl.catalog.wishes import AUTO
from plexctl.errors import UsageError

Hosts = Annotated[
    list[str] | None, typer.Option("--host", metavar="USER@HOST[:PORT]", help="With ssh: where; several in turn.")
]
Identity = Annotated[
    str | None, typer.Option("--identity", metavar="FILE", help="With ssh: private key; else the agent's.")
]
AcceptHostKey = Annotated[
    list[str] | None,
    typer.Option("--accept-host-key", metavar="SHA256:...", help="With ssh: key of an unknown host, once compared."),
]
Public = Annotated[
    str | None,
    typer.Option("--public", metavar="DOMAIN|ip", help="With ssh, lambda, ovh: TLS for everyone; else by ssh alone."),
]
Product = Annotated[str | None, typer.Option("--product", help="With ovh: instance, or ai-deploy.")]

_KEYS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "--host": ("ssh.hosts", ("ssh",)),
    "--identity": ("ssh.identity", ("ssh",)),
    "--accept-host-key": ("ssh.accept_host_key", ("ssh",)),
    "--public": ("host.public", ("ssh", "lambda", "ovh")),
    "--product": ("ovh.product", ("ovh",)),
}
"""Flag to the spec's key, and to the providers that it means something to."""


def host_flags(
    host: list[str] | None,
    identity: str | None,
    accept_host_key: list[str] | None,
    public: str | None,
    product: str | None,
) -> dict[str, object]:
    """Return what was given, by the spec's keys; None is what was not."""
    given = (host, identity, accept_host_key, public, product)
    return {key: value or None for (key, _), value in zip(_KEYS.values(), given, strict=True)}


def check_host_flags(flags: Mapping[str, object], providers: Collection[str]) -> None:
    """Raise UsageError for a flag that none of these providers knows; with `auto`, whoever does is asked."""
    for flag, (key, known) in _KEYS.items():
        if flags.get(key) is None or any(one in known or one == AUTO for one in providers):
            continue
        named = " or ".join(known)
        raise UsageError(f"{flag} is for {named}, not for {', '.join(providers)}", hint="leave it out")

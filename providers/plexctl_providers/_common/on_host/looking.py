"""Looking at a host: one remote command that tells all, and what that means."""

from __future__ import annotations

from dataclasses import dataclass

from plexctl.model import Endpoint, GpuUse, Status
from plexctl_providers._common.on_host.machine import Open


@dataclass(frozen=True, slots=True)
class Sight:
    """What is true on a host; empty texts are what is not there."""

    label: str = ""
    """`plexctl-<name>-<id>` of the deployment that the host carries."""
    port: int | None = None
    """The gateway's, on the host's loopback."""
    public: str = ""
    """`host.public` of that deployment: a domain, or `ip`."""
    certificate: str = ""
    """`sha256:...` of the certificate that the host made for its bare address."""
    gpus: tuple[GpuUse, ...] = ()


def look(host: Open) -> Sight:
    """Ask the host, by one remote command. Raises ProviderError for an answer that makes no sense."""
    raise NotImplementedError


def status_of(sight: Sight, address: str) -> Status:
    """Return what a sight means. Pure. `address` is the host's, for the endpoint of one that serves its bare address.

    MISSING where there is no deployment, CREATING while the bootstrap runs (its stage is the detail), LOADING once
    the gateway runs, STOPPED or FAILED, with the reason in words.
    """
    raise NotImplementedError


def endpoint_of(sight: Sight, address: str) -> Endpoint | None:
    """Return where callers go: `tls` is `ssh` unless the host is public; None while a certificate is being made."""
    raise NotImplementedError

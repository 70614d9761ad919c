"""What goes to a host of one's own, and what is started there. No I/O."""

from __future__ import annotations

from dataclasses import replace

from plexctl.errors import ConfigurationError
from plexctl.model import Finding, Level, Offer, Plan, PlannedResource, Step
from plexctl.spec import Spec
from plexctl_providers._common.host import (
    ACCEPTED,
    DESTINATION,
    FILES,
    IDENTITY,
    JUMP,
    check_host,
    host_resources,
    host_steps,
)
from plexctl_providers._common.placeholders import placeholder
from plexctl_providers._common.settings import choose_engine, secret_names
from plexctl_providers._common.ssh.destination import Destination

HOST = "PLEXCTL_SSH_HOST"
"""Stands for the host while none is named."""
LOGIN = "login"
"""How one logs in, in the body of FILES: destination, and what the user said of keys and of the way there."""


def build_plan(spec: Spec, offer: Offer) -> Plan:
    """Lay out what is done on the host."""
    jump = "" if spec.ssh.jump is None else f", by way of {spec.ssh.jump}"
    host = host_of(spec, offer) or placeholder(HOST)
    known = "its key must be in known_hosts, or be named with --accept-host-key"
    return Plan(
        provider="ssh",
        deployment=spec.name,
        offer=offer,
        steps=(Step("connect", host, f"{known}{jump}"), *host_steps(spec, offer)),
        resources=tuple(_with_login(one, spec, host) for one in host_resources(spec, offer)),
        secrets=secret_names(spec, choose_engine(spec, offer)),
    )


def _with_login(planned: PlannedResource, spec: Spec, host: str) -> PlannedResource:
    if planned.kind != FILES:
        return planned
    return replace(planned, body={LOGIN: login_of(spec, host), **planned.body})


def login_of(spec: Spec, host: str) -> dict[str, str]:
    """Return how one logs in to a host; empty texts are what the user did not say."""
    return {
        DESTINATION: host,
        JUMP: spec.ssh.jump or "",
        IDENTITY: spec.ssh.identity or "",
        ACCEPTED: ",".join(spec.ssh.accept_host_key),
    }


def check(spec: Spec, offer: Offer) -> list[Finding]:
    """Say whether a host is named, and what holds for every host."""
    return [_check_destination(host_of(spec, offer)), *check_host(spec, offer)]


def host_of(spec: Spec, offer: Offer) -> str | None:
    """Return the host that an offer is, as the user wrote it; the first that is named where the offer names none."""
    return offer.detail.get("host") or next(iter(spec.ssh.hosts), None)


def _check_destination(host: str | None) -> Finding:
    fix = "name it as user@host[:port] with --host, or in ssh.hosts (PLEXCTL_SSH_HOST)"
    if host is None:
        return Finding("host", Level.FAIL, "no host is named", fix)
    try:
        Destination.parse(host)
    except ConfigurationError as error:
        return Finding("host", Level.FAIL, error.message, error.hint)
    return Finding("host", Level.OK, f"{host}; nothing there bills by plexctl's doing")

"""Listening to a deployment: the probe, pointed at it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from plexctl.errors import CredentialsError, PlexError, UnhealthyError

if TYPE_CHECKING:
    from plexctl.flows.observe import View
    from plexctl.flows.session import Session
    from plexctl.probe.report import Report, ReportOfMany

_HINTS = {
    "busy": "somebody talks to it: try again later, or see `plexctl status`",
    "loading": "it is not ready yet: `plexctl status` shows how far it is",
    "unauthorized": "pass its token with --token-file or PLEXCTL_TOKEN",
    "rejected": "check --voice and --text-prompt",
    "silent": "it may be busy, still reading its prompt, or wedged: see `plexctl logs`",
    "slow": "this GPU, or the way to it, does not keep real time",
    "unreachable": "check the address, and that it runs",
}


def check_talking(session: Session, view: View, *, may_be_busy: bool) -> dict[str, object]:
    """Send real audio and return the report. Raises `failure_of` the report unless the model talks.

    `may_be_busy`: somebody may be talking to it already, which is as good.
    """
    import asyncio

    from plexctl.flows.health import trust_of
    from plexctl.probe import ProbeOptions, probe

    endpoint = view.status.endpoint or view.record.endpoint
    if endpoint is None:
        raise UnhealthyError(f"{view.record.ref.name} has no endpoint to listen to")
    session.reporter.progress("listening: sending speech, waiting for the answer")
    with session.tunnels:
        way = session.way_to(view.record.ref, endpoint)
        report = asyncio.run(probe(ProbeOptions(url=way.wss_url, token=session.token, trust=trust_of(way))))
    if report.is_ok or (may_be_busy and report.verdict == "busy"):
        return told(report, endpoint.wss_url)
    raise failure_of(report, endpoint.wss_url)


def told(report: Report | ReportOfMany, url: str) -> dict[str, Any]:
    """Return a report as the JSON documents show it: of the endpoint that was meant, not of a tunnel's end."""
    return {**report.to_dict(), "url": url}


def failure_of(report: Report | ReportOfMany, url: str) -> PlexError:
    """Return the error that a report of this endpoint amounts to when it is not well."""
    kind = CredentialsError if report.verdict == "unauthorized" else UnhealthyError
    data = told(report, url)
    return kind(f"{report.verdict}: {data['detail']}", hint=_HINTS.get(report.verdict), data=data)

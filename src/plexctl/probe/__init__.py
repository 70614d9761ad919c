"""The layered health check of an endpoint: is it reached, does it answer, does it talk, and in real time.

Seven stages, each with its outcome and time: dns, tcp, tls, http, upgrade, handshake, audio. One verdict over them.
It works on plexctl's gateway, on a bare PersonaPlex server and on a bare Kyutai server. It refuses to send a `seed`
(upstream hangs up on any), to send audio before the handshake (upstream swallows it), and to write anything anywhere.

Nothing of asyncio, ssl or websockets is loaded before a probe runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from plexctl.probe.options import DEFAULT_TEXT_PROMPT, DEFAULT_VOICE, Level, ProbeOptions
from plexctl.probe.verdicts import SLOW_BELOW, VERDICTS, verdict_of

if TYPE_CHECKING:
    from plexctl.probe.report import Report, ReportOfMany

__all__ = [
    "DEFAULT_TEXT_PROMPT",
    "DEFAULT_VOICE",
    "SLOW_BELOW",
    "VERDICTS",
    "Level",
    "ProbeOptions",
    "probe",
    "probe_many",
    "verdict_of",
]


async def probe(options: ProbeOptions) -> Report:
    """Check one endpoint with one conversation. Failures are in the report; UsageError only for bad options."""
    from plexctl.probe.sessions import probe_one

    return await probe_one(options)


async def probe_many(options: ProbeOptions) -> ReportOfMany:
    """Check one endpoint with `options.sessions` conversations at the same time, in this one event loop."""
    from plexctl.probe.sessions import probe_all

    return await probe_all(options)

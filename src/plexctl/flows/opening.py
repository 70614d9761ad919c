"""`open`: an endpoint that a browser can use, through a tunnel where it would not trust it, or could not reach it."""

from __future__ import annotations

from collections.abc import Callable

from plexctl.flows.health import trust_of
from plexctl.flows.session import Session
from plexctl.flows.tunnels import needs_ssh
from plexctl.model import Endpoint, Ref


def needs_tunnel(endpoint: Endpoint) -> bool:
    """Tell whether only somebody who has its fingerprint can trust an endpoint, or who logs in can reach it."""
    return endpoint.tls.startswith("sha256:") or needs_ssh(endpoint)


def hold_open(session: Session, ref: Ref, endpoint: Endpoint, port: int, listening: Callable[[str], None]) -> None:
    """Listen on this machine for the endpoint until Ctrl-C; `listening` is given the URL for a browser.

    Raises ConflictError for a port that is taken, and what the adapter's tunnel raises where one leads there.
    """
    import asyncio

    with session.tunnels:
        asyncio.run(_hold_open(session, session.way_to(ref, endpoint), port, listening))


async def _hold_open(session: Session, endpoint: Endpoint, port: int, listening: Callable[[str], None]) -> None:
    import asyncio

    from plexctl.wire import Endpoint as Place
    from plexctl.wire import WireError
    from plexctl.wire.tunnel import tunnel

    def failed(error: WireError) -> None:
        session.reporter.note(f"a caller could not be let through: {error.message}")

    async with tunnel(Place.parse(endpoint.url), trust_of(endpoint), port, failed) as found:
        listening(f"http://localhost:{found}")
        await asyncio.Event().wait()

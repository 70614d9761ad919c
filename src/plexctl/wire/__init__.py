"""Connections to an endpoint: opened in stages with the time and outcome of each, HTTP by h11, WebSocket by websockets.

Those two libraries speak the protocols without I/O; this package only moves bytes. Proxies are not supported: the
proxy variables of the environment are never read, so a probe always measures the endpoint itself. Redirects are
never followed, so a token never reaches a host that the user did not name.

asyncio, ssl, h11 and websockets are loaded at the first use, not with this package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from plexctl.wire.endpoint import Endpoint
from plexctl.wire.stages import Stage, WireError
from plexctl.wire.trust import SYSTEM, Trust

if TYPE_CHECKING:
    from plexctl.secret import Secret
    from plexctl.wire.exchange import Response

__all__ = ["SYSTEM", "Endpoint", "Stage", "Trust", "WireError", "fetch", "get"]


async def get(url: str, *, token: Secret | None = None, trust: Trust = SYSTEM, timeout_s: float = 10.0) -> Response:
    """Return the answer to one GET, whatever its status; bodies beyond 1 MiB are cut and marked.

    Raises WireError, with stage and outcome, when there is no HTTP answer; UsageError for a URL that is none.
    """
    from plexctl.wire.exchange import get as get_now

    return await get_now(url, token=token, trust=trust, timeout_s=timeout_s)


def fetch(url: str, *, token: Secret | None = None, trust: Trust = SYSTEM, timeout_s: float = 10.0) -> Response:
    """Do what `get` does for a caller without an event loop."""
    import asyncio

    return asyncio.run(get(url, token=token, trust=trust, timeout_s=timeout_s))

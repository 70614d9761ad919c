"""TLS in front of aiohttp: asyncio's own, with limits that fit a port that anybody can reach.

asyncio gives each connection a buffer of 256 KiB before its first byte has come, 60 s for the handshake and 30 s for
the goodbye: 500 callers that say nothing would cost over 125 MiB. `SSLProtocol` is what `create_server(ssl=...)` puts
on an accepted connection; here it is put there with a buffer of one TLS record. Plain HTTP and garbage end the
handshake, and with it the connection.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from asyncio.sslproto import SSLProtocol

from aiohttp import web

HANDSHAKE_S = 10
GOODBYE_S = 3
"""How long the caller's own close_notify is waited for, and what still waits for the caller may take to go."""
_ACCEPTED_AT_ONCE = 16
"""Each handshake costs a fraction of a millisecond: in a burst, who talks is served again after so many of them."""


class _Secured(SSLProtocol):
    """One caller's TLS."""

    max_size = 16 * 1024

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the handshake.

        The socket's own queue would hide up to 64 KiB from whoever asks how much waits for the caller: it stays empty.
        """
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - asyncio's own contract for stream sockets
        transport.set_write_buffer_limits(high=0)
        super().connection_made(transport)


class TlsSite(web.BaseSite):
    """What `web.SockSite` is for plain HTTP."""

    def __init__(
        self,
        runner: web.BaseRunner,
        bound: socket.socket,
        context: ssl.SSLContext,
        *,
        backlog: int,
        handshake_s: int = HANDSHAKE_S,
    ) -> None:
        super().__init__(runner, ssl_context=context, backlog=backlog)
        self._bound = bound
        self._context = context
        self._handshake_s = handshake_s

    @property
    def name(self) -> str:
        """What the site is called."""
        return f"tls {self._bound.getsockname()}"

    async def start(self) -> None:
        """Listen."""
        await super().start()
        loop = asyncio.get_running_loop()
        server = self._runner.server
        assert server is not None  # noqa: S101 - BaseSite refuses a runner without one

        def secured() -> SSLProtocol:
            return _Secured(
                loop,
                server(),
                self._context,
                waiter=None,  # type: ignore[arg-type]  # nobody waits for an accepted connection
                server_side=True,
                ssl_handshake_timeout=self._handshake_s,
                ssl_shutdown_timeout=GOODBYE_S,
            )

        self._server = await loop.create_server(secured, sock=self._bound, backlog=_ACCEPTED_AT_ONCE)
        # asyncio's one figure is also how many callers may wait to be accepted; that is another question.
        self._bound.listen(self._backlog)

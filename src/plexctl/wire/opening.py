"""Open a connection in three stages: dns, tcp, tls. Every failure is a WireError with a stable outcome.

All addresses of a name are tried in turn, each with its share of the time. The proxy variables of the environment
are never read.
"""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import socket
import ssl
import threading
from typing import Any

from plexctl.wire.endpoint import Endpoint
from plexctl.wire.outcomes import dns_failure, tcp_failure, tls_failure
from plexctl.wire.stage_log import StageLog
from plexctl.wire.stages import WireError
from plexctl.wire.stream import Stream
from plexctl.wire.trust import Trust, tls_context

Address = tuple[socket.AddressFamily, Any]
_BY_RANK = ("refused", "timeout", "unreachable")


async def open_stream(endpoint: Endpoint, trust: Trust, timeout_s: float, log: StageLog) -> Stream:
    """Return a connected stream after noting the stages dns, tcp and tls, each limited to `timeout_s`."""
    context = tls_context(trust) if endpoint.is_secure else None
    async with log.measure("dns", timeout_s) as mark:
        addresses = await _resolve(endpoint)
        mark.detail = ", ".join(str(address[0]) for _, address in addresses[:4])
    async with log.measure("tcp", timeout_s) as mark:
        connected = await _connect(addresses, timeout_s)
        mark.detail = str(connected.getpeername()[0])
    _, stream = await asyncio.get_running_loop().create_connection(Stream, sock=connected)
    try:
        async with log.measure("tls", timeout_s) as mark:
            if context is None:
                mark.outcome = "skipped"
                mark.detail = "plain HTTP" + ("" if endpoint.is_loopback else ": all of it can be read on its way")
            else:
                mark.detail = await _secure(stream, endpoint, trust, context)
    except BaseException:
        await stream.close()
        raise
    return stream


async def _resolve(endpoint: Endpoint) -> list[Address]:
    try:
        literal = ipaddress.ip_address(endpoint.host)
    except ValueError:
        pass
    else:
        family = socket.AF_INET if literal.version == 4 else socket.AF_INET6  # noqa: PLR2004 - IPv4
        return [(family, (endpoint.host, endpoint.port))]
    try:
        found = await _getaddrinfo(endpoint.host, endpoint.port)
    except (OSError, UnicodeError) as error:
        raise dns_failure(endpoint.host, error) from error
    return list(dict.fromkeys((family, address) for family, _, _, _, address in found))


async def _getaddrinfo(host: str, port: int) -> list[tuple[Any, ...]]:
    """Resolve in a daemon thread: a resolver that hangs must not keep the process from ending."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[tuple[Any, ...]]] = loop.create_future()

    def settle(found: list[tuple[Any, ...]] | None, error: Exception | None) -> None:
        if answer.done():
            return
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(found or [])

    def work() -> None:
        found, failure = None, None
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            failure = error
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, found, failure)

    threading.Thread(target=work, name="plexctl-dns", daemon=True).start()
    return await answer


async def _connect(addresses: list[Address], timeout_s: float) -> socket.socket:
    failures: list[WireError] = []
    for family, address in addresses:
        try:
            async with asyncio.timeout(timeout_s / len(addresses)):
                return await _connect_to(family, address)
        except OSError as error:
            failures.append(tcp_failure(address, error))
    raise min(failures, key=lambda failure: _BY_RANK.index(failure.outcome))


async def _connect_to(family: socket.AddressFamily, address: Any) -> socket.socket:
    attempt = socket.socket(family, socket.SOCK_STREAM)
    try:
        attempt.setblocking(False)  # noqa: FBT003 - the socket's own signature
        await asyncio.get_running_loop().sock_connect(attempt, address)
        attempt.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        attempt.close()
        raise
    return attempt


async def _secure(stream: Stream, endpoint: Endpoint, trust: Trust, context: ssl.SSLContext) -> str:
    try:
        secured = await asyncio.get_running_loop().start_tls(
            stream.transport, stream, context, server_hostname=endpoint.host
        )
    except (OSError, ssl.SSLError) as error:
        raise tls_failure(endpoint, error) from error
    if secured is None:
        raise WireError("tls", "closed", "the server hung up during the TLS handshake")
    stream.transport = secured
    tls = secured.get_extra_info("ssl_object")
    if trust.fingerprint is not None:
        _check_pin(trust.fingerprint, tls.getpeercert(binary_form=True))
    return str(tls.version())


def _check_pin(wanted: str, certificate: bytes | None) -> None:
    found = hashlib.sha256(certificate or b"").hexdigest()
    if found != wanted:
        raise WireError("tls", "pin_mismatch", f"the server's certificate has the fingerprint sha256:{found}")

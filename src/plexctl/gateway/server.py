"""One gateway's run, from the listening socket to the last engine's end.

Order at the end: no new callers, live conversations may finish (up to the drain limit), then engines are stopped,
then, where the clock was the end and nobody has sent a signal since, the provider is told to end the container
(self_destruct.py), then the port is given up. A second signal shortens the drain.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
import ssl
import sys
import time
from collections.abc import Coroutine
from typing import Any

from aiohttp import web

from plexctl import __version__
from plexctl.gateway import gpu_check
from plexctl.gateway.app import Gateway
from plexctl.gateway.engines import engine_named
from plexctl.gateway.frames import CloseCode
from plexctl.gateway.health import EngineHealth
from plexctl.gateway.lifetime import Lifetime, until_over
from plexctl.gateway.logbook import Logbook
from plexctl.gateway.process import log_to, raise_file_limit
from plexctl.gateway.self_destruct import until_gone
from plexctl.gateway.settings import Listening, Settings, SettingsError
from plexctl.gateway.supervisor import Supervisor
from plexctl.gateway.tls import TlsSite
from plexctl.gateway.weights import child as weights
from plexctl.gateway.weights.child import Refusal

_BACKLOG = 256
_MAX_LINE = 16 * 1024
_GOODBYE_S = 1.0
_KEEPALIVE_S = 30.0


class PortError(OSError):
    """The gateway cannot listen where it was told to; the text says why and what to do."""


def listening_socket(listening: Listening) -> socket.socket:
    """Return a bound socket, or the inherited one. Raises PortError, or SettingsError for a descriptor that is none."""
    if listening.fd is not None:
        return _inherited_socket(listening.fd)
    try:
        found = socket.getaddrinfo(listening.host, listening.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        bound = socket.socket(family, kind, protocol)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind(address)
            bound.listen(_BACKLOG)
        except OSError:
            bound.close()
            raise
    except OSError as error:
        raise PortError(
            f"cannot listen on {listening.host} port {listening.port}: {error.strerror}; "
            "set PLEXCTL_PORT to a free port"
        ) from error
    return bound


def _inherited_socket(descriptor: int) -> socket.socket:
    try:
        inherited = socket.socket(fileno=descriptor)
    except OSError as error:
        raise SettingsError(
            f"PLEXCTL_LISTEN_FD={descriptor} is no socket ({error.strerror}): "
            "leave it out, or pass a listening socket on"
        ) from error
    inherited.set_inheritable(False)
    return inherited


def address_of(bound: socket.socket, *, is_secure: bool) -> str:
    """Return a bound socket's address as a URL."""
    host, port = bound.getsockname()[:2]
    scheme = "https" if is_secure else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


async def serve(settings: Settings, bound: socket.socket, context: ssl.SSLContext | None = None) -> None:
    """Run until a signal or the clock ends the gateway; with a context it serves TLS and nothing else."""
    logbook = Logbook(sys.stdout, secrets=settings.secrets)
    log_to(logbook)
    raise_file_limit()
    gateway = Gateway(settings, logbook, __version__)
    engine = engine_named(settings.engine.name)
    for number in range(settings.engine.count):
        supervisor = Supervisor(f"engine-{number}", engine, settings.engine, gateway.pool, logbook)
        supervisor.on_death = lambda name: gateway.metrics.deaths.labels(name).inc()
        gateway.supervisors.append(supervisor)
    stop = _Stop()
    runner = web.AppRunner(
        gateway.application(),
        access_log=None,
        handle_signals=False,
        shutdown_timeout=_GOODBYE_S,
        keepalive_timeout=_KEEPALIVE_S,
        max_line_size=_MAX_LINE,
        max_field_size=_MAX_LINE,
    )
    await runner.setup()
    await _listen(runner, bound, context)
    logbook.write("gateway", f"listening on {address_of(bound, is_secure=context is not None)}")
    if settings.self_destruct is not None:
        logbook.write("gateway", settings.self_destruct.in_words())
    life = asyncio.create_task(_run_engines(settings, gateway, logbook))
    # What is there now stays: the collector need not walk it in the middle of somebody's sentence.
    gc.freeze()
    why = await _until_end(settings, gateway, stop)
    logbook.write("gateway", f"draining: {why}")
    await _drain(settings, gateway, stop)
    await asyncio.gather(*(supervisor.stop() for supervisor in gateway.supervisors))
    life.cancel()
    await asyncio.gather(life, return_exceptions=True)
    await _end_container(settings, logbook, stop)
    await runner.cleanup()
    logbook.write("gateway", "stopped")


async def _listen(runner: web.AppRunner, bound: socket.socket, context: ssl.SSLContext | None) -> None:
    site: web.BaseSite = web.SockSite(runner, bound, backlog=_BACKLOG)
    if context is not None:
        site = TlsSite(runner, bound, context, backlog=_BACKLOG)
    await site.start()


async def _run_engines(settings: Settings, gateway: Gateway, logbook: Logbook) -> None:
    """Keep the engines alive, once this GPU can hold them and their weights are here."""

    def show(health: EngineHealth) -> None:
        for supervisor in gateway.supervisors:
            supervisor.health = health

    reason = await gpu_check.refusal(settings.engine, logbook)
    ready = Refusal(reason, "gpu") if reason is not None else await weights.bring(settings.engine, logbook, show)
    if isinstance(ready, Refusal):
        for supervisor in gateway.supervisors:
            supervisor.give_up(ready.reason, ready.cause)
        return
    show(EngineHealth())
    for supervisor in gateway.supervisors:
        supervisor.settings = ready
    await asyncio.gather(*(supervisor.run() for supervisor in gateway.supervisors))


class _Stop:
    """The signals that came, and whether any did."""

    def __init__(self) -> None:
        self.told = asyncio.Event()
        self._names: asyncio.Queue[str] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._tell, signal.Signals(number).name)

    def _tell(self, name: str) -> None:
        self.told.set()
        self._names.put_nowait(name)

    async def next(self) -> str:
        """Wait for a signal that nobody has waited for yet; returns its name."""
        return await self._names.get()


async def _until_end(settings: Settings, gateway: Gateway, stop: _Stop) -> str:
    now = asyncio.get_running_loop().time
    lifetime = Lifetime(settings.limits.expires_at, settings.limits.idle_s, now())
    ends = [
        asyncio.create_task(stop.next()),
        asyncio.create_task(until_over(lifetime, time.time, now, lambda: (gateway.pool.busy > 0, gateway.is_loading))),
    ]
    done, pending = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    for end in pending:
        end.cancel()
    return done.pop().result()


async def _drain(settings: Settings, gateway: Gateway, stop: _Stop) -> None:
    gateway.is_draining = True
    switchboard = gateway.switchboard
    await _first_of(settings.limits.drain_s, switchboard.until_quiet(), stop.next())
    for conversation in list(switchboard.live):
        conversation.end(CloseCode.GOING_AWAY, "the gateway stops")
    await _first_of(_GOODBYE_S, switchboard.until_quiet())


async def _end_container(settings: Settings, logbook: Logbook, stop: _Stop) -> None:
    """Tell the provider, if the clock alone was the end: a signal means that somebody else sees to the container."""
    if settings.self_destruct is None or stop.told.is_set():
        return

    def say(words: str) -> None:
        logbook.write("gateway", words)

    await _first_of(None, until_gone(settings.self_destruct, say), stop.told.wait())


async def _first_of(limit_s: float | None, *waits: Coroutine[Any, Any, object]) -> None:
    tasks = [asyncio.create_task(wait) for wait in waits]
    _, pending = await asyncio.wait(tasks, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()

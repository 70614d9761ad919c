"""The gateway's chat address: a request in, a refusal or a conversation out.

Order of the answers: 401 and 403 (access), 400 (parameters), 503 (no engine or no place), 426 (no upgrade asked for).
A web page cannot read a status of a refused WebSocket, so one that asks for an upgrade gets a close code instead.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from aiohttp import HttpVersion11, web

from plexctl.gateway.chat import ParameterError, Wish, read_wish
from plexctl.gateway.conversation import Conversation
from plexctl.gateway.frames import CloseCode
from plexctl.gateway.health import EngineHealth
from plexctl.gateway.link import EngineLink, LinkError, open_link
from plexctl.gateway.logbook import Logbook
from plexctl.gateway.metrics import Metrics
from plexctl.gateway.pool import Place, Pool
from plexctl.gateway.settings import Settings
from plexctl.gateway.upgrade import (
    HandshakeError,
    Upgraded,
    accept_for,
    feed_with,
    is_upgrade,
    transport_of,
    upgrade_and_close,
)

RETRY_AFTER_S = 5
_LEAVING_S = 0.5
"""How long a caller waits for a place whose caller has hung up and whose engine has not noticed yet."""


@dataclass(frozen=True, slots=True)
class _Refusal:
    word: str
    reason: str | None = None

    @property
    def code(self) -> CloseCode:
        return CloseCode.ENGINE if self.word == "failed" else CloseCode.TRY_LATER


class Switchboard:
    """Joins callers and engines."""

    def __init__(self, settings: Settings, pool: Pool, metrics: Metrics, logbook: Logbook) -> None:
        self.live: set[Conversation] = set()
        self._settings = settings
        self._pool = pool
        self._metrics = metrics
        self._logbook = logbook
        self._links: set[EngineLink] = set()
        self._number = 0
        self._quiet = asyncio.Event()
        self._quiet.set()

    async def until_quiet(self) -> None:
        """Wait until there is no conversation."""
        await self._quiet.wait()

    async def answer(self, request: web.Request, health: EngineHealth) -> web.StreamResponse:
        """Serve one request of the chat address whose sender may come in."""
        try:
            wish = self._wish(request)
            accept = self._accept(request)
        except (ParameterError, HandshakeError) as error:
            self._metrics.refused.labels("bad request").inc()
            return web.json_response({"error": "bad request", "reason": str(error)}, status=400)
        refusal = self._refusal(health)
        if refusal is not None:
            return await self._refuse(request, refusal)
        if accept is None and self._pool.busy < self._pool.capacity:
            return _upgrade_required()
        place = None if accept is None else await self._take()
        if accept is None or place is None:
            return await self._refuse(request, _Refusal("busy"))
        return await self._connect(request, wish, accept, place)

    def _wish(self, request: web.Request) -> Wish:
        query = {name: request.query.getall(name) for name in request.query}
        settings = self._settings
        return read_wish(query, settings.voices, voice=settings.voice, text_prompt=settings.text_prompt)

    @staticmethod
    def _accept(request: web.Request) -> str | None:
        if not is_upgrade(request.headers):
            return None
        if request.version < HttpVersion11:
            raise HandshakeError("a WebSocket needs HTTP/1.1")
        return accept_for(request.headers)

    def _refusal(self, health: EngineHealth) -> _Refusal | None:
        if health.state == "failed":
            return _Refusal("failed", health.reason)
        if health.state == "draining":
            return _Refusal("draining")
        if health.state != "ready":
            return _Refusal("loading")
        return None

    async def _take(self) -> Place | None:
        """Return a place; one whose caller has just left is worth a moment's wait."""
        place = self._pool.take()
        leaving = [link.closed for link in self._links if link.is_closing]
        if place is None and leaving:
            await asyncio.wait(leaving, timeout=_LEAVING_S, return_when=asyncio.FIRST_COMPLETED)
            place = self._pool.take()
        return place

    async def _refuse(self, request: web.Request, refusal: _Refusal) -> web.StreamResponse:
        self._metrics.refused.labels(refusal.word).inc()
        if "Origin" in request.headers and is_upgrade(request.headers):
            words = refusal.word if refusal.reason is None else f"{refusal.word}: {refusal.reason}"
            return await upgrade_and_close(request, refusal.code, words)
        body = {"error": refusal.word}
        if refusal.reason is not None:
            body["reason"] = refusal.reason
        return web.json_response(body, status=503, headers={"Retry-After": str(RETRY_AFTER_S)})

    async def _connect(self, request: web.Request, wish: Wish, accept: str, place: Place) -> web.StreamResponse:
        try:
            link = await open_link(place.seat.port, wish.voice, wish.text_prompt)
        except LinkError as error:
            place.give_back()
            self._logbook.write("gateway", f"{place.seat.name}: {error}")
            return await self._refuse(request, _Refusal("loading"))
        except BaseException:
            place.give_back()
            raise
        self._links.add(link)
        link.closed.add_done_callback(lambda _: place.give_back())
        link.closed.add_done_callback(lambda _: self._links.discard(link))
        response = Upgraded(accept, {"X-Plexctl-Ignored": "seed"} if wish.has_seed else {})
        try:
            await response.prepare(request)
            transport = transport_of(request)
            if transport is not None and not transport.is_closing():
                await self._converse(request, transport, link, place.seat.name)
        finally:
            link.close()
        return response

    async def _converse(
        self, request: web.Request, transport: asyncio.Transport, link: EngineLink, engine: str
    ) -> None:
        self._number += 1
        number, now = self._number, asyncio.get_running_loop().time
        self._logbook.write("gateway", f"conversation {number} begins at {engine}")
        started = now()
        conversation = Conversation(transport, link, self._settings.limits, now)
        feed_with(request, conversation)
        self.live.add(conversation)
        self._quiet.clear()
        try:
            await conversation.over
        finally:
            self.live.discard(conversation)
            if not self.live:
                self._quiet.set()
            self._account(number, conversation, now() - started)

    def _account(self, number: int, conversation: Conversation, seconds: float) -> None:
        counts, metrics, ending = conversation.counts, self._metrics, conversation.ending
        code = "none" if ending is None else str(int(ending.code))
        metrics.ended.labels(code).inc()
        metrics.session.observe(seconds)
        if counts.handshake_s is not None:
            metrics.handshake.observe(counts.handshake_s)
        metrics.audio.labels("engine").inc(counts.to_engine_bytes)
        metrics.audio.labels("caller").inc(counts.to_caller_bytes)
        for why in ("ignored", "malformed", "early"):
            metrics.messages.labels(why).inc(getattr(counts, why))
        words = "the gateway stopped" if ending is None else ending.reason
        self._logbook.write("gateway", f"conversation {number} ended after {seconds:.1f} s: {code} {words}")


def _upgrade_required() -> web.Response:
    return web.json_response(
        {"error": "upgrade required", "reason": "this address speaks WebSocket"},
        status=426,
        headers={"Upgrade": "websocket", "Connection": "Upgrade"},
    )

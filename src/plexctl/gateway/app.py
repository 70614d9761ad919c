"""The gateway's routes and answers. Thin: each decision is made in a module of its own.

Nothing here logs a query string, because a query may carry the token.
"""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from plexctl.gateway import page
from plexctl.gateway.access import COOKIE, Access, Entry, is_own_page
from plexctl.gateway.health import document, overall
from plexctl.gateway.logbook import Logbook
from plexctl.gateway.metrics import CONTENT_TYPE, Metrics
from plexctl.gateway.pool import Pool
from plexctl.gateway.settings import Settings
from plexctl.gateway.supervisor import Supervisor
from plexctl.gateway.switchboard import Switchboard

_MAX_BODY = 64 * 1024
_MAX_TAIL = 2_000
_DEFAULT_TAIL = 200


class Gateway:
    """Everything one gateway is made of, and its HTTP answers."""

    def __init__(self, settings: Settings, logbook: Logbook, version: str) -> None:
        self.pool = Pool()
        self.metrics = Metrics(settings.deployment)
        self.supervisors: list[Supervisor] = []
        self.switchboard = Switchboard(settings, self.pool, self.metrics, logbook)
        self.is_draining = False
        self._settings = settings
        self._access = Access(settings.token)
        self._logbook = logbook
        self._version = version
        self.metrics.watch("plexctl_busy", "Conversations now.", lambda: float(self.pool.busy))
        self.metrics.watch("plexctl_capacity", "Places at ready engines.", lambda: float(self.pool.capacity))

    def application(self) -> web.Application:
        """Return the aiohttp application."""
        app = web.Application(client_max_size=_MAX_BODY)
        get = app.router.add_get
        get("/livez", self.livez)
        get("/health", self.health)
        get("/voices", self.voices)
        get("/metrics", self.metrics_text)
        get("/logs", self.logs)
        get("/api/chat", self.chat, allow_head=False)
        get("/ws/chat", self.chat, allow_head=False)
        get("/login", self.login_page)
        app.router.add_post("/login", self.login)
        get("/", self.index)
        if self._settings.static is not None:
            get("/{path:.+}", self.static)
        return app

    @property
    def is_loading(self) -> bool:
        """True while no engine is ready, and none has been given up."""
        return not {supervisor.health.state for supervisor in self.supervisors} & {"ready", "failed"}

    def _judge(self, request: web.Request) -> Entry:
        return self._access.judge(request.headers, request.query.getall("token", []), request.cookies)

    def _shut_out(self, request: web.Request) -> web.Response | None:
        """Return the refusal for a request that may not come in, None when it may."""
        entry = self._judge(request)
        if entry.is_in:
            return None
        self.metrics.refused.labels(entry.value).inc()
        if entry is Entry.FOREIGN_PAGE:
            return web.json_response({"error": "forbidden", "reason": "a page of another site"}, status=403)
        return web.json_response(
            {"error": "unauthorized"}, status=401, headers={"WWW-Authenticate": 'Bearer realm="plexctl"'}
        )

    async def livez(self, _: web.Request) -> web.Response:
        """Answer that the process is up."""
        return web.Response(text="ok\n")

    async def health(self, _: web.Request) -> web.Response:
        """Answer the state; 200 only when a caller could talk."""
        health = overall([one.health for one in self.supervisors], is_draining=self.is_draining)
        body = document(
            health,
            engines=len(self.supervisors),
            busy=self.pool.busy,
            capacity=self.pool.capacity,
            version=self._version,
            deployment=self._settings.deployment,
        )
        headers = {"Cache-Control": "no-store"}
        return web.json_response(body, status=200 if health.state == "ready" else 503, headers=headers)

    async def voices(self, _: web.Request) -> web.Response:
        """Answer the names that `voice_prompt` may have."""
        return web.json_response({"voices": list(self._settings.voices), "default": self._settings.voice})

    async def metrics_text(self, request: web.Request) -> web.Response:
        """Answer the figures."""
        refusal = self._shut_out(request)
        if refusal is not None:
            return refusal
        return web.Response(body=self.metrics.text(), headers={"Content-Type": CONTENT_TYPE})

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """Serve a conversation."""
        refusal = self._shut_out(request)
        if refusal is not None:
            return refusal
        health = overall([one.health for one in self.supervisors], is_draining=self.is_draining)
        return await self.switchboard.answer(request, health)

    async def logs(self, request: web.Request) -> web.StreamResponse:
        """Answer the last lines, and with `follow=1` those that come."""
        refusal = self._shut_out(request)
        if refusal is not None:
            return refusal
        raw = request.query.get("tail", str(_DEFAULT_TAIL))
        if not raw.isascii() or not raw.isdigit() or int(raw[:9]) > _MAX_TAIL:
            return web.json_response({"error": "bad request", "reason": f"tail: give 0 to {_MAX_TAIL}"}, status=400)
        text = "".join(f"{line}\n" for line in self._logbook.tail(int(raw)))
        if request.query.get("follow") != "1":
            return web.Response(text=text)
        return await self._follow(request, text)

    async def _follow(self, request: web.Request, text: str) -> web.StreamResponse:
        queue = self._logbook.follow()
        response = web.StreamResponse(headers={"Content-Type": "text/plain; charset=utf-8", "X-Accel-Buffering": "no"})
        try:
            await response.prepare(request)
            await response.write(text.encode())
            while True:
                await response.write((await queue.get() + "\n").encode())
        except ConnectionError:
            return response
        finally:
            self._logbook.unfollow(queue)

    async def index(self, request: web.Request) -> web.StreamResponse:
        """Answer the web page, or the way to the login."""
        if not self._judge(request).is_in and not self._access.is_open:
            raise web.HTTPSeeOther("/login")
        if self._settings.static is not None:
            return web.FileResponse(self._settings.static / "index.html")
        return page.response(page.talk(self._settings.deployment, self._settings.voices, self._settings.voice))

    async def static(self, request: web.Request) -> web.StreamResponse:
        """Answer a file of the web page in PLEXCTL_STATIC, and of nowhere else."""
        refusal = self._shut_out(request)
        if refusal is not None:
            return refusal
        folder = self._settings.static
        if folder is None:
            raise web.HTTPNotFound
        path = (folder / request.match_info["path"]).resolve()
        if not path.is_relative_to(folder.resolve()) or not path.is_file():
            raise web.HTTPNotFound
        return web.FileResponse(path)

    async def login_page(self, _: web.Request) -> web.Response:
        """Answer the form."""
        return page.response(page.login(self._settings.deployment, is_wrong=False))

    async def login(self, request: web.Request) -> web.Response:
        """Set the cookie for whoever has the token."""
        if not is_own_page(request.headers, needs_loopback=self._access.is_open):
            return web.json_response({"error": "forbidden", "reason": "a page of another site"}, status=403)
        form: Any = await request.post()
        token = form.get("token", "")
        if not self._access.is_open and not (isinstance(token, str) and self._access.is_token(token.strip())):
            self.metrics.refused.labels(Entry.WRONG_TOKEN.value).inc()
            await asyncio.sleep(0.5)
            return page.response(page.login(self._settings.deployment, is_wrong=True), status=401)
        answer = web.Response(status=303, headers={"Location": "/"})
        schemes = (
            request.scheme,
            request.headers.get("X-Forwarded-Proto"),
            urlsplit(request.headers.get("Origin", "")).scheme,
        )
        is_https = "https" in schemes
        answer.set_cookie(COOKIE, self._access.cookie, httponly=True, samesite="Strict", secure=is_https, path="/")
        return answer

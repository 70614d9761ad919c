"""The gateway's own small web page: what state it is in, and a conversation where the browser can.

Everything is in one document with a strict content policy; values are put in as escaped text or JSON, never as code.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Sequence
from functools import cache
from importlib import resources

from aiohttp import web

_INLINE = re.compile(r"<(script|style)>(.*?)</\1>", re.DOTALL)


@cache
def _template(name: str) -> str:
    return resources.files("plexctl.gateway").joinpath(name).read_text(encoding="utf-8")


def talk(deployment: str, voices: Sequence[str], voice: str) -> str:
    """Return the page that talks."""
    options = "".join(f"<option{' selected' if name == voice else ''}>{html.escape(name)}</option>" for name in voices)
    text = _template("index.html")
    return text.replace("{{deployment}}", html.escape(deployment)).replace("{{voices}}", options)


def login(deployment: str, *, is_wrong: bool) -> str:
    """Return the page that asks for the token."""
    note = '<p role="alert">That is not the token.</p>' if is_wrong else ""
    text = _template("login.html")
    return text.replace("{{deployment}}", html.escape(deployment)).replace("{{note}}", note)


def response(text: str, status: int = 200) -> web.Response:
    """Return a page with headers that let only its own script run and nobody frame it."""
    hashes: dict[str, list[str]] = {"script": [], "style": []}
    for kind, code in _INLINE.findall(text):
        digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
        hashes[kind].append(f"'sha256-{digest}'")
    policy = (
        f"default-src 'none'; script-src {' '.join(hashes['script']) or chr(39) + 'none' + chr(39)}; "
        f"style-src {' '.join(hashes['style'])}; connect-src 'self' ws: wss:; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    )
    headers = {
        "Content-Security-Policy": policy,
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
    return web.Response(text=text, status=status, content_type="text/html", charset="utf-8", headers=headers)

"""The echo server: upstream's address, parameters and manners, with the caller's own audio as the answer.

Like upstream it upgrades first and breaks the connection afterwards when a parameter is wrong. It listens on the
loopback only, and ends when its standard input ends.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import threading
import time

from aiohttp import WSMsgType, web

from plexctl.gateway.engines.echo.faults import LAST_WORDS, Fault
from plexctl.gateway.engines.echo.speech import Echo
from plexctl.gateway.voices import is_plain_name

_GATEWAY_GONE = 70
_CRASHED = 1
_FAULT_AFTER_S = 2.0


def _end_with_gateway() -> None:
    while os.read(0, 4096):
        pass
    os._exit(_GATEWAY_GONE)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


class EchoServer:
    """Answers any number of callers at once."""

    def __init__(self, fault: Fault) -> None:
        self._fault = fault

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """Serve one conversation."""
        socket = web.WebSocketResponse(max_msg_size=1 << 20, compress=False)
        await socket.prepare(request)
        voice, prompt = request.query.get("voice_prompt", ""), request.query.get("text_prompt", "")
        if not is_plain_name(voice) or not prompt or "seed" in request.query:
            _say(f"refused: voice {voice!r}, {len(prompt)} characters of prompt, seed {'seed' in request.query}")
            _cut(request)
            return socket
        if self._fault is Fault.MUTE:
            await _listen(socket)
            return socket
        await socket.send_bytes(b"\x00")
        if self._fault is Fault.SILENT:
            await _listen(socket)
            return socket
        await socket.send_bytes(b"\x02" + f"voice={voice} prompt={prompt}".encode())
        await self._talk(socket, Echo(prompt, is_slow=self._fault is Fault.SLOW))
        return socket

    async def _talk(self, socket: web.WebSocketResponse, echo: Echo) -> None:
        speaker = asyncio.create_task(_speak(socket, echo))
        try:
            async for message in socket:
                if message.type is not WSMsgType.BINARY or message.data[:1] != b"\x01":
                    _say("unknown message kind")
                    continue
                is_broken = self._fault in (Fault.STALL, Fault.CRASH) and echo.heard_s >= _FAULT_AFTER_S
                if is_broken and self._fault is Fault.CRASH:
                    _say("Segmentation fault: told to crash in a conversation")
                    os._exit(_CRASHED)
                if is_broken:
                    continue
                for answer in echo.hear(message.data[1:]):
                    await socket.send_bytes(answer)
        except ConnectionError:
            pass
        finally:
            speaker.cancel()


async def _speak(socket: web.WebSocketResponse, echo: Echo) -> None:
    """Send what echo keeps back when it is slow."""
    while echo.is_slow:
        due_s, answer = await echo.delayed.get()
        await asyncio.sleep(due_s)
        await socket.send_bytes(answer)


async def _listen(socket: web.WebSocketResponse) -> None:
    async for _ in socket:
        pass


def _cut(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


def _load(seconds: float) -> None:
    for phase in ("retrieving voice prompts", "loading mimi", "loading moshi", "warming up the model"):
        _say(f"[Info] {phase}")
        time.sleep(seconds / 4)


def main() -> None:
    """Run until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m plexctl.gateway.engines.echo", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    fault = Fault(os.environ.get("PLEXCTL_ECHO_FAULT", ""))
    threading.Thread(target=_end_with_gateway, daemon=True).start()
    _say("echo: an engine that sends the caller's audio back; this is not PersonaPlex")
    _load(float(os.environ.get("PLEXCTL_ECHO_LOAD_S") or 0))
    if fault in LAST_WORDS:
        _say(LAST_WORDS[fault])
        sys.exit(_CRASHED)
    app = web.Application()
    app.router.add_get("/api/chat", EchoServer(fault).chat)
    web.run_app(app, host="127.0.0.1", port=arguments.port, print=_say, access_log=None, shutdown_timeout=1.0)


if __name__ == "__main__":
    main()

"""Holds the conversations of a probe: opens, upgrades, waits for the handshake, talks and listens."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from http import HTTPStatus

from plexctl.probe.answers import Meaning, close_means, health_means, no_upgrade_means, upgrade_means
from plexctl.probe.listening import MemoryOfTalk, listen
from plexctl.probe.options import Level, ProbeOptions
from plexctl.probe.pacing import TimedMessage
from plexctl.probe.report import Report, ReportOfMany
from plexctl.voice import Handshake, Kind, ProtocolError, encode
from plexctl.voice.recording import PAGE_S
from plexctl.wire.exchange import exchange
from plexctl.wire.line import Line, Refused
from plexctl.wire.opening import open_stream
from plexctl.wire.stage_log import StageLog
from plexctl.wire.stages import WireError


async def probe_one(options: ProbeOptions) -> Report:
    """Hold one conversation and report on it."""
    return await Session(options, _messages(options)).run()


async def probe_all(options: ProbeOptions) -> ReportOfMany:
    """Hold `options.sessions` conversations at once; starts are spread over one page, or all would send together."""
    messages = _messages(options)

    async def run(number: int) -> Report:
        await asyncio.sleep(number * PAGE_S / options.sessions)
        return await Session(options, messages).run()

    return ReportOfMany(tuple(await asyncio.gather(*map(run, range(options.sessions)))))


def _messages(options: ProbeOptions) -> list[TimedMessage]:
    if not options.level.includes(Level.AUDIO):
        return []
    pages = options.load_recording().pages(options.seconds)
    return [TimedMessage(encode(Kind.AUDIO, page.ogg), page.seconds) for page in pages]


class Session:
    """One conversation from the first packet to the goodbye."""

    def __init__(self, options: ProbeOptions, messages: Sequence[TimedMessage]) -> None:
        self._options = options
        self._messages = messages
        self._log = StageLog()
        self._talk = MemoryOfTalk()

    async def run(self) -> Report:
        """Go through the stages until one fails or the level is reached."""
        try:
            await self._connect()
            if self._options.level.includes(Level.UPGRADE):
                await self._converse()
        except WireError as error:
            self._keep(error)
        options = self._options
        report = Report(
            url=options.chat.at(options.chat.path).url(is_websocket=True),
            level=str(options.level),
            stages=tuple(self._log.stages),
            audio=self._talk.figures,
            text=self._talk.text,
            packets=tuple(self._talk.packets),
        )
        return report.without(options.token)

    async def _connect(self) -> None:
        options = self._options
        stream = await open_stream(options.health, options.trust, options.timeout_s, self._log)
        async with self._log.measure("http", options.timeout_s) as mark:
            try:
                response = await exchange(stream, options.health, options.token)
            finally:
                await stream.close()
            meaning = health_means(response)
            if response.status == HTTPStatus.NOT_FOUND and not options.level.includes(Level.UPGRADE):
                meaning = await self._ask_without_upgrade()
            mark.outcome, mark.detail = meaning.outcome, meaning.detail
        # A gateway's busy is a moment's state, and its upgrade tells surely; anything else ends here.
        if meaning.outcome != "ok" and not (meaning.outcome == "busy" and options.level.includes(Level.UPGRADE)):
            raise WireError("http", meaning.outcome, meaning.detail)

    async def _ask_without_upgrade(self) -> Meaning:
        options, plain = self._options, self._options.chat.at(self._options.chat.path)
        try:
            stream = await open_stream(plain, options.trust, options.timeout_s, StageLog())
        except WireError as error:
            raise WireError("http", error.outcome, error.message) from error
        try:
            return no_upgrade_means(await exchange(stream, plain, options.token))
        finally:
            await stream.close()

    async def _converse(self) -> None:
        options = self._options
        try:
            stream = await open_stream(options.chat, options.trust, options.timeout_s, StageLog())
        except WireError as error:
            raise WireError("upgrade", error.outcome, error.message) from error
        line = Line(stream, options.chat)
        try:
            async with self._log.measure("upgrade", options.timeout_s):
                await self._upgrade(line)
            if options.level.includes(Level.HANDSHAKE):
                async with self._log.measure("handshake", options.handshake_timeout_s + options.timeout_s):
                    await self._wait_for_handshake(line)
            if options.level.includes(Level.AUDIO):
                async with self._log.measure("audio", 2 * options.seconds + options.timeout_s + 30) as mark:
                    _raise_unless_ok("audio", meaning := await listen(line, self._messages, self._talk))
                    mark.detail = meaning.detail
        finally:
            await line.close()

    async def _upgrade(self, line: Line) -> None:
        try:
            await line.open(self._options.token)
        except Refused as refused:
            _raise_unless_ok("upgrade", upgrade_means(refused.response))

    async def _wait_for_handshake(self, line: Line) -> None:
        limit_s = self._options.handshake_timeout_s
        try:
            async with asyncio.timeout(limit_s):
                while True:
                    incoming = await line.receive()
                    if incoming is None:
                        _raise_unless_ok("handshake", _end_means(line))
                    elif isinstance(incoming[1], bytes) and isinstance(self._talk.receive(incoming[1]), Handshake):
                        return
        except TimeoutError as error:
            words = f"101, then nothing for {limit_s:g} s: busy with another caller, or still reading its prompts"
            raise WireError("handshake", "silent", words) from error
        except ProtocolError as error:
            raise WireError("handshake", "broken", str(error)) from error

    def _keep(self, error: WireError) -> None:
        """Note a failure between stages, such as the second connection's, as the stage it prevented."""
        if not self._log.stages or self._log.stages[-1].name != error.stage:
            self._log.note_failure(error)


def _end_means(line: Line) -> Meaning:
    if line.violation is not None:
        return Meaning("broken", line.violation)
    return close_means(line.close_code, line.close_reason)


def _raise_unless_ok(stage: str, meaning: Meaning) -> None:
    if meaning.outcome != "ok":
        raise WireError(stage, meaning.outcome, meaning.detail)

"""The stage `audio`: sends the voice at its pace and listens until the answer has come or will not come."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from plexctl.probe.answers import Meaning, quoted
from plexctl.probe.hearing import AudioFigures, Hearing, audio_means
from plexctl.probe.pacing import Pacer, TimedMessage
from plexctl.voice import Audio, Conversation, Event, ProtocolError, Text
from plexctl.wire.line import Line

_FIRST_WORD_S = 5.0
_NEARLY_ALL_S = 0.25
_QUIET_S = 1.0
_SHORT_QUIET_S = 0.3
_PATIENCE_S = 2.0
_MAX_TEXT = 64 * 1024
_BYTES_PER_S = 64 * 1024
_FRAMES_PER_S = 1_000
_OWN_LATENESS_MS = 40.0


class MemoryOfTalk:
    """What a conversation leaves behind, bounded: text, packets, figures."""

    def __init__(self) -> None:
        self._conversation = Conversation()
        self.text = ""
        self.packets: list[bytes] = []
        self.figures = AudioFigures()

    def receive(self, data: bytes) -> Event:
        """Take one binary message. Raises ProtocolError."""
        event = self._conversation.receive(data)
        if isinstance(event, Text) and len(self.text) < _MAX_TEXT:
            self.text += quoted_piece(event.piece)
        elif isinstance(event, Audio):
            self.packets += event.packets
        return event


def quoted_piece(piece: str) -> str:
    """Return a piece of text without control characters, spaces kept."""
    return "".join(sign if sign.isprintable() else " " for sign in piece[:_MAX_TEXT])


async def listen(line: Line, messages: Sequence[TimedMessage], talk: MemoryOfTalk) -> Meaning:
    """Talk and listen; leave the figures in `talk` and return what they mean.

    Listening ends when as much was heard as sent; when nothing came for a while after the voice ended (0.3 s if
    nearly all is there, else 1 s); 2 s after the voice ended at the latest, or 5 s if nothing was heard at all.
    """
    loop = asyncio.get_running_loop()
    pacer = Pacer(messages, line.send)
    pacer.start()
    voice_s = sum(message.seconds for message in messages)
    hearing = Hearing(pacer.started_at, pacer.started_at + voice_s)
    cut: Meaning | None = None
    try:
        async with asyncio.timeout_at(pacer.started_at + voice_s + _FIRST_WORD_S) as limit:
            cut = await _hear(line, talk, pacer, hearing, limit, voice_s)
    except TimeoutError:
        pass
    finally:
        pacer.stop()
        talk.figures = hearing.measure(loop.time(), pacer.sent_s, pacer.errors_s)
    meaning = cut or audio_means(talk.figures)
    if meaning.outcome in ("slow", "stalled", "ok") and (talk.figures.pacing_error.p99 or 0) > _OWN_LATENESS_MS:
        late = f"{meaning.detail}; this machine was itself up to {talk.figures.pacing_error.p99:.0f} ms late"
        return Meaning(meaning.outcome, late)
    return meaning


async def _hear(
    line: Line, talk: MemoryOfTalk, pacer: Pacer, hearing: Hearing, limit: asyncio.Timeout, voice_s: float
) -> Meaning | None:
    """Listen until all was heard (None) or the conversation broke off (why)."""
    line.allow(int(voice_s * _BYTES_PER_S), int(voice_s * _FRAMES_PER_S))
    while not pacer.is_done or hearing.heard_s < voice_s - 1e-6:
        incoming = await line.receive()
        if incoming is None:
            return _cut_means(line, is_voice_over=pacer.is_done)
        at, data = incoming
        try:
            event = talk.receive(data) if isinstance(data, bytes) else None
        except ProtocolError as error:
            return Meaning("broken", str(error))
        if isinstance(event, Audio) and event.seconds > 0:
            hearing.hear(at, event.seconds)
            quiet_s = _SHORT_QUIET_S if voice_s - hearing.heard_s <= _NEARLY_ALL_S else _QUIET_S
            limit.reschedule(min(max(hearing.voice_ends_at, at) + quiet_s, hearing.voice_ends_at + _PATIENCE_S))
    return None


def _cut_means(line: Line, *, is_voice_over: bool) -> Meaning | None:
    if line.violation is not None:
        return Meaning("broken", line.violation)
    if is_voice_over and line.close_code == 1000:  # noqa: PLR2004 - RFC 6455: a normal end
        return None
    reason = quoted(line.close_reason.encode())
    return Meaning("closed", f"it hung up in the conversation: {line.close_code} {reason}".rstrip())

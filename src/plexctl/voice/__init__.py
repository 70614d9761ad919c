"""PersonaPlex's voice protocol without I/O: message kinds, handshake, Ogg pages, Opus durations.

Shared by the probe and the gateway, and by nothing else: it imports only the standard library.
"""

from plexctl.voice.conversation import Audio, Conversation, Event, Handshake, Ignored, ProtocolError, Text
from plexctl.voice.messages import Kind, Message, encode, parse
from plexctl.voice.ogg import OggError, OggReader, Page, packets_of
from plexctl.voice.opus import OpusError, is_header, packet_duration_s

__all__ = [
    "Audio",
    "Conversation",
    "Event",
    "Handshake",
    "Ignored",
    "Kind",
    "Message",
    "OggError",
    "OggReader",
    "OpusError",
    "Page",
    "ProtocolError",
    "Text",
    "encode",
    "is_header",
    "packet_duration_s",
    "packets_of",
    "parse",
]

"""PersonaPlex's voice protocol without I/O: message kinds, handshake, Ogg pages, Opus durations.

Shared by the probe and the gateway, and by nothing else: it imports only the standard library.
"""

from plexctl.voice.conversation import Audio, Conversation, Event, Handshake, Ignored, ProtocolError, Text
from plexctl.voice.messages import Kind, Message, encode, parse
from plexctl.voice.ogg import OggError, OggReader, PacketReader, Page
from plexctl.voice.ogg_writer import OggWriter
from plexctl.voice.opus import OpusError, OpusHead, encode_tags, is_header, packet_duration_s, packet_granules
from plexctl.voice.recording import Recording, TimedPage, ogg_file

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
    "OggWriter",
    "OpusError",
    "OpusHead",
    "PacketReader",
    "Page",
    "ProtocolError",
    "Recording",
    "Text",
    "TimedPage",
    "encode",
    "encode_tags",
    "is_header",
    "ogg_file",
    "packet_duration_s",
    "packet_granules",
    "parse",
]

"""A Hugging Face Hub on the loopback: a real HTTP server with repositories, gates, tokens, ranges and faults."""

from tests.clouds.hub.faults import Fault, rate_limited
from tests.clouds.hub.server import Hub, Seen, personaplex
from tests.clouds.hub.state import Content, Repository, Token

__all__ = ["Content", "Fault", "Hub", "Repository", "Seen", "Token", "personaplex", "rate_limited"]

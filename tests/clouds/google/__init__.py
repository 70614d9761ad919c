"""Google Cloud on the loopback: one HTTP server for all its APIs, judged by its descriptions, with real gateways."""

from tests.clouds.google.faults import CREATES, DELETES, Fault, How
from tests.clouds.google.server import Google, Seen
from tests.clouds.google.state import Books, RefusedError, Service

__all__ = ["CREATES", "DELETES", "Books", "Fault", "Google", "How", "RefusedError", "Seen", "Service"]

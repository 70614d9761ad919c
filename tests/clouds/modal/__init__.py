"""A Modal on the loopback: its gRPC service on Modal's own protobufs, and its containers as processes."""

from tests.clouds.modal.faults import Fault, unavailable
from tests.clouds.modal.server import Modal

__all__ = ["Fault", "Modal", "unavailable"]

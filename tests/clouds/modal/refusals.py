"""How the loopback Modal refuses: statuses as the client maps them, messages in Modal's manner (unverified)."""

from __future__ import annotations

from grpclib.const import Status
from grpclib.exceptions import GRPCError


def not_found(what: str) -> GRPCError:
    """Say that there is no such thing."""
    return GRPCError(Status.NOT_FOUND, f"{what} not found")


def invalid(words: str) -> GRPCError:
    """Say that the request makes no sense."""
    return GRPCError(Status.INVALID_ARGUMENT, words)


def exists(what: str) -> GRPCError:
    """Say that the name is taken."""
    return GRPCError(Status.ALREADY_EXISTS, f"{what} already exists")


def unauthenticated() -> GRPCError:
    """Say that the token is wrong."""
    return GRPCError(Status.UNAUTHENTICATED, "Token ID is malformed or unknown, or the token secret is wrong")

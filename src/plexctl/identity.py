"""How a new deployment gets its id."""

from __future__ import annotations

import secrets

_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"  # no l, o, 0, 1: people read ids aloud
_LENGTH = 6


def new_id() -> str:
    """Return a fresh id: six letters and digits, so that two owners of a name do not meet."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))

"""What a deployment may be called, and how a new one gets its id."""

from __future__ import annotations

import re

NAME_PATTERN = r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?"
"""Lower-case letters, digits and hyphens, at most 40: fit for every provider's names, and for a file's."""
_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"  # no l, o, 0, 1: people read ids aloud
_LENGTH = 6


def is_name(text: str) -> bool:
    """Tell whether a deployment can be called so at all."""
    return re.fullmatch(NAME_PATTERN, text) is not None


def new_id() -> str:
    """Return a fresh id: six letters and digits, so that two owners of a name do not meet."""
    import secrets

    return "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))

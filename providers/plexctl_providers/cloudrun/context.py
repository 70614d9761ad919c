"""Which image: a tag that says what it was built from, as deploy.sh says it too."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

_DIGITS = 12


def context_tag(files: Mapping[str, str]) -> str:
    """Return the tag for an image built from these files (path below image/ to text).

    As `sha256sum` over the output of `sha256sum` of every file, sorted by path in the C locale.
    """
    names = sorted(files, key=lambda path: f"image/{path}".encode())
    lines = [f"{sha256(files[path].encode()).hexdigest()}  image/{path}\n" for path in names]
    return sha256("".join(lines).encode()).hexdigest()[:_DIGITS]

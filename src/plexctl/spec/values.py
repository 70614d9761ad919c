"""Types of single values in the spec, with the ranges that msgspec checks."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from plexctl.identity import NAME_PATTERN

# `$(?!\n)`: the end of the text for Python's and for JSON Schema's regular expressions alike.
Name = Annotated[
    str,
    Meta(
        pattern=rf"^{NAME_PATTERN}$(?!\n)",
        description="Name of the deployment: lower-case letters, digits and hyphens, at most 40.",
    ),
]
Port = Annotated[int, Meta(ge=1, le=65535)]
LONGEST_S = 315_360_000
"""Ten years: a longer time is a slip, and the calendar of the logs would not hold it."""
Seconds = Annotated[float, Meta(gt=0, le=LONGEST_S)]
VariableName = Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$(?!\n)")]
Line = Annotated[str, Meta(min_length=1, max_length=1024, pattern=r"^[^\x00-\x1f\x7f]+$(?!\n)")]
"""Text that stands on one line of a file or a command."""
ImageReference = Annotated[
    str,
    Meta(pattern=r"^[a-z0-9][A-Za-z0-9._:/-]*[A-Za-z0-9](@sha256:[0-9a-f]{64})?$(?!\n)", max_length=1024),
]
Count = Annotated[int, Meta(ge=0, le=1000)]
Gigabytes = Annotated[int, Meta(ge=1, le=65536)]

"""A value that cannot be printed by accident."""

from __future__ import annotations


class Secret:
    """Holds a secret string; `repr`, `str` and `format` show `***`.

    Only `.reveal()` gives the value: it is called in transports and in writers of secrets, nowhere else.
    Secrets do not pickle, so that none slips into a cache or another process.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the value itself."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('***')"

    def __str__(self) -> str:
        return "***"

    def __format__(self, spec: str) -> str:
        return format("***", spec)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __reduce__(self) -> str:
        raise TypeError("a Secret does not pickle")

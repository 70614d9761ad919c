"""What can go wrong at the loopback Lambda, each on demand."""

from __future__ import annotations

from dataclasses import dataclass

DROPPED = 0
"""In place of a status: the connection is cut."""
PLAIN = "<html><body>Bad gateway</body></html>"


class RefusedError(Exception):
    """An operation that Lambda refuses."""

    def __init__(self, status: int, code: str, message: str, suggestion: str = "") -> None:
        super().__init__(code)
        self.status = status
        self.body = {"error": {"code": code, "message": message, "suggestion": suggestion}}


def absent(what: str) -> RefusedError:
    """Return the refusal of what does not exist."""
    return RefusedError(404, "global/object-does-not-exist", f"{what} does not exist", "Check the id.")


def invalid(why: str) -> RefusedError:
    """Return the refusal of a request that makes no sense."""
    return RefusedError(400, "global/invalid-parameters", why)


def full() -> RefusedError:
    """Return the refusal of a launch that finds no room."""
    code = "instance-operations/launch/insufficient-capacity"
    return RefusedError(400, code, "Not enough capacity to fulfill launch request.")


@dataclass
class Fault:
    """Strikes an operation (`METHOD /path`; empty: each) so many times.

    `after` lets it take effect before its answer is this one; `text` is answered instead of an error's JSON.
    """

    operation: str
    status: int
    code: str = ""
    message: str = "an error of the test's"
    after: bool = False
    text: str | None = None
    retry_after: str | None = None
    times: int | None = 1
    group: str = ""
    """Faults of one group strike once together: the first that strikes ends the others."""

    def strikes(self, operation: str) -> bool:
        """Tell whether it strikes this time; counts down."""
        if self.times == 0 or self.operation not in ("", operation):
            return False
        if self.times is not None:
            self.times -= 1
        return True

"""Ways in which Vast fails: each on demand, or all of them from a seeded source."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

OPERATIONS = ("search", "create", "list", "show", "manage", "restart", "destroy", "logs", "user", "result")


@dataclass(frozen=True)
class Answer:
    """What goes back over the wire."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, status: int, value: object, **headers: str) -> Answer:
        """Return JSON."""
        return cls(status, json.dumps(value).encode(), {"Content-Type": "application/json", **headers})

    @classmethod
    def refusal(cls, status: int, code: str, words: str, **more: Any) -> Answer:
        """Return Vast's form of a refusal."""
        return cls.of(status, {"success": False, "error": code, "msg": words, **more})

    def json(self) -> Any:
        """Return its value."""
        return json.loads(self.body)


def too_soon(interval_s: float) -> Answer:
    """Return what comes back before the interval is over: plain text, without a time."""
    words = f"API requests too frequent: endpoint threshold={interval_s}"
    return Answer(429, words.encode(), {"Content-Type": "text/plain"})


TOO_SOON = too_soon(4.5)
TOO_SOON_WITH_A_TIME = Answer.of(429, {"detail": "API requests too frequent"}, **{"Retry-After": "7"})
QUOTA = Answer.refusal(429, "search_quota_exceeded", "daily search quota exceeded")
GONE_404 = Answer.refusal(
    404, "invalid_args", "error 404/3603: no_such_ask Instance type by id 7 is not available.", ask_id=7
)
GONE_410 = Answer.refusal(
    410, "no_such_ask", "error 410/3907: no_such_ask Instance type 7 is no longer available.", ask_id=7
)
SPEND = Answer.refusal(400, "spend_rate_limit", "new accounts are limited")
BILLING = Answer.refusal(400, "missing_billing", "no billing method")
BROKEN = Answer(500, b"<html>Internal Server Error</html>", {"Content-Type": "text/html"})
PAGE = Answer(200, b"<html>a proxy's page</html>", {"Content-Type": "text/html"})
LATE = Answer(504, b"<html>Gateway Time-out</html>", {"Content-Type": "text/html"})


@dataclass
class Fault:
    """What happens to the next requests of an operation. Without an answer the connection is dropped."""

    operation: str
    answer: Answer | None = None
    is_after: bool = False
    """Whether the request takes effect all the same."""
    times: int = 1


@dataclass
class Chance:
    """Faults from a seeded source: any request may fail, before or after it took effect."""

    source: Random
    share: float = 0.25

    def draw(self, operation: str) -> Fault | None:
        """Return what goes wrong with this request, if anything."""
        if self.source.random() >= self.share:
            return None
        answers: list[tuple[Answer | None, bool]] = [
            (None, False),
            (None, True),
            (BROKEN, False),
            (LATE, True),
            (LATE, False),
            (TOO_SOON, False),
            (PAGE, True),
            (PAGE, False),
        ]
        answer, is_after = self.source.choice(answers)
        return Fault(operation, answer, is_after)

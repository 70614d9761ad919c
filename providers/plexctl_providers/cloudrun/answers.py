"""What is alike in all of Google's answers, whoever asked: none at all, JSON, operations that take their time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

from plexctl.errors import CredentialsError, ProviderError
from plexctl_providers.cloudrun.errors import LOGIN, NO_ANSWER, error_of

Json = dict[str, Any]
_FIRST_POLL_S, _LAST_POLL_S, _BACKOFF = 0.02, 2.0, 1.5
_OPERATION_S = 300.0


@contextmanager
def no_answers(action: str) -> Iterator[None]:
    """Raise plexctl's error where there was no answer at all, or no token to ask with."""
    from google.auth import exceptions as auth

    try:
        yield
    except auth.TransportError as error:
        words = f"cannot {action}: no answer from Google's sign-in"
        raise ProviderError(words, hint="see your network", data={"http": NO_ANSWER}) from error
    except auth.GoogleAuthError as error:
        raise CredentialsError(f"cannot {action}: {error.args[0]}", hint=LOGIN) from error
    except OSError as error:  # requests' own are of this kind
        words = f"cannot {action}: the connection failed ({type(error).__name__})"
        hint = "see your network, and https://status.cloud.google.com"
        raise ProviderError(words, hint=hint, data={"http": NO_ANSWER}) from error


def polls(limit_s: float) -> Iterator[float]:
    """Yield, at once and then ever more slowly, until the time is over; each time the seconds since the first."""
    begun, delay_s = time.monotonic(), _FIRST_POLL_S
    while (gone_s := time.monotonic() - begun) < limit_s:
        yield gone_s
        time.sleep(delay_s)
        delay_s = min(delay_s * _BACKOFF, _LAST_POLL_S)


def finished(operation: Json, look: Callable[[str], Json], action: str) -> Json:
    """Wait for a long-running operation, which `look` reads by its name, and return its response.

    Raises its error, or ProviderError when it is late.
    """
    for _ in polls(_OPERATION_S):
        if operation.get("done", "name" not in operation):
            break
        operation = look(operation["name"])
    else:
        raise ProviderError(f"cannot {action}: Google still works on it after {_OPERATION_S:g} s")
    if "error" in operation:
        raise error_of(action, _http_code(operation["error"]), operation)
    return cast("Json", operation.get("response", {}))


def unknown_answer(action: str) -> ProviderError:
    """Return the error for an answer that came in good order, and that no description of Google's knows."""
    words = f"cannot {action}: Google answered what its description does not know"
    return ProviderError(words, hint="see whether a proxy answers in Google's place, and try again")


def required(found: Json, key: str, action: str) -> Json:
    """Return what was found. Raises ProviderError where it lacks what each such thing has, such as its name."""
    if not isinstance(found.get(key), str) or not found[key]:
        raise unknown_answer(action)
    return found


def json_in(text: bytes) -> object:
    """Return the JSON of an answer; None for what is none."""
    import json

    try:
        return json.loads(text) if text else {}
    except ValueError:
        return None


_CODES = {3: 400, 5: 404, 6: 409, 7: 403, 8: 429, 9: 400, 10: 409, 13: 500, 14: 503, 16: 401}
"""google.rpc.Code to HTTP, as google/rpc/code.proto says it."""


def _http_code(error: Json) -> int:
    return _CODES.get(int(error.get("code", 0)), 400)

"""What the docker SDK raises, and what an engine answers in words, as plexctl's errors: all of it.

Engines put most reasons into text alone, with one status for many: the words looked for are those of Docker's and
Podman's own messages.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from plexctl.errors import (
    ConfigurationError,
    ConflictError,
    CredentialsError,
    NotFoundError,
    PlexError,
    PreflightError,
    ProviderError,
)

Kind = tuple[type[PlexError], str | None]

NO_SOCKET = "there is no such socket"
START_ENGINE = (
    "start it (`systemctl start docker`, or `systemctl --user start podman.socket`), or name it with DOCKER_HOST"
)
_LET_ME_IN = "run as a user who may use its socket (the group docker), or name your own engine's with DOCKER_HOST"
_LOG_IN = "`docker login` or `podman login` to that registry, then try again"
_OTHER_PORT = "choose another --port, or leave it out for the next free one"

FREE_SPACE = "free disk space where the engine keeps its images"
_DISK_FULL = ("no space left on device", "disk quota exceeded")
_WORDS: tuple[tuple[tuple[str, ...], Kind], ...] = (
    (_DISK_FULL, (PreflightError, FREE_SPACE)),
    (("address already in use", "port is already allocated"), (ConflictError, _OTHER_PORT)),
    (
        ("unauthorized", "authentication required", "access denied", "access to the resource is denied", "(forbidden)"),
        (CredentialsError, _LOG_IN),
    ),
    (
        ("manifest unknown", "name unknown", "no such image", "image not known", "repository does not exist"),
        (NotFoundError, "check the image's name: `plexctl image list` shows those that were built here"),
    ),
    (("already in use", "already exists"), (ConflictError, None)),
)
_STATUS: dict[int, Kind] = {
    HTTPStatus.UNAUTHORIZED: (CredentialsError, _LOG_IN),
    HTTPStatus.FORBIDDEN: (CredentialsError, _LOG_IN),
    HTTPStatus.NOT_FOUND: (NotFoundError, None),
    HTTPStatus.CONFLICT: (ConflictError, None),
    HTTPStatus.INSUFFICIENT_STORAGE: (PreflightError, FREE_SPACE),
}
_UNREACHED: tuple[tuple[type[OSError], str, str], ...] = (
    (PermissionError, "you may not use it", _LET_ME_IN),
    (FileNotFoundError, NO_SOCKET, START_ENGINE),
    (ConnectionRefusedError, "nobody listens there", START_ENGINE),
)


class EngineLostError(ProviderError):
    """The engine did not answer a request: whether it was carried out is not known."""


def from_words(action: str, words: str, status: int | None = None) -> PlexError:
    """Return the error for what an engine answered, given its HTTP status where there is one."""
    kind, hint = _kind(words.lower(), status)
    return kind(f"cannot {action}: {one_line(words)}", hint=hint)


def is_disk_full(words: str) -> bool:
    """Tell whether an engine's words are those of a full disk."""
    return any(needle in words.lower() for needle in _DISK_FULL)


def one_line(text: str) -> str:
    """Return an engine's words on one line."""
    return " ".join(text.split())


@contextmanager
def engine_errors(action: str) -> Iterator[None]:
    """Raise plexctl's error for whatever the SDK raises while doing `action`.

    The SDK's errors are DockerException, requests' (which are all OSError), urllib3's while a stream is read, and
    ValueError for an answer that is no JSON.
    """
    from docker.errors import APIError, DockerException
    from urllib3.exceptions import HTTPError

    try:
        yield
    except APIError as error:
        raise from_words(action, error.explanation or str(error), error.status_code) from error
    except (DockerException, OSError, HTTPError, ValueError) as error:
        raise _unreached(action, error) from error


def _kind(words: str, status: int | None) -> Kind:
    for needles, kind in _WORDS:
        if any(needle in words for needle in needles):
            return kind
    return _STATUS.get(status or 0, (ProviderError, None))


def _unreached(action: str, error: BaseException) -> PlexError:
    """Return the error for a request that had no answer; its cause is somewhere below what the libraries made of it."""
    for cause in _causes(error):
        for kind, words, hint in _UNREACHED:
            if isinstance(cause, kind):
                return ConfigurationError(f"cannot {action}: {words}", hint=hint)
    return EngineLostError(f"cannot {action}: {one_line(str(error)) or type(error).__name__}")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and all that it holds: as cause, as context, or among its arguments."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        held = (one.__cause__, one.__context__, *one.args, getattr(one, "reason", None))
        waiting += [other for other in held if isinstance(other, BaseException)]

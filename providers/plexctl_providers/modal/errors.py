"""Everything that Modal's client raises, as plexctl's errors: a total map, with the way out of each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from plexctl import errors

MEND_TOKEN = "run `modal token new`, or set MODAL_TOKEN_ID and MODAL_TOKEN_SECRET"  # noqa: S105 - no token
_ROLE = "ask an owner of the workspace for the right, or use another token: `modal token new`"
_LIMIT = "`modal environment list` and the workspace's settings show the limits; stop something, or ask Modal for more"
_NETWORK = "try again; https://status.modal.com tells whether Modal has trouble"
_UPGRADE = "pip install -U 'plexctl[modal]'"

_Kind = tuple[type[errors.PlexError], str | None]
KINDS: dict[str, _Kind] = {
    "AuthError": (errors.CredentialsError, MEND_TOKEN),
    "PermissionDeniedError": (errors.CredentialsError, _ROLE),
    "ResourceExhaustedError": (errors.PreflightError, _LIMIT),
    "ConflictError": (errors.ConflictError, "somebody else changes it too: try again"),
    "AlreadyExistsError": (errors.ConflictError, "choose another --name"),
    "InvalidError": (errors.PreflightError, "Modal refuses what is asked of it: see `plexctl plan`"),
    "NotFoundError": (errors.ProviderError, None),
    "VersionError": (errors.ExtraMissingError, _UPGRADE),
    "UnimplementedError": (errors.ExtraMissingError, _UPGRADE),
    "DeprecationError": (errors.ExtraMissingError, _UPGRADE),
    "ImageBuildError": (errors.ProviderError, "its last lines are above, or in `data.log` with --json"),
    "ConnectionError": (errors.ProviderError, _NETWORK),
    "ServiceError": (errors.ProviderError, _NETWORK),
    "InternalError": (errors.ProviderError, _NETWORK),
    "InternalFailure": (errors.ProviderError, _NETWORK),
    "TimeoutError": (errors.ProviderError, _NETWORK),
    "StreamTerminatedError": (errors.ProviderError, _NETWORK),
    "GRPCError": (errors.ProviderError, _NETWORK),
    "OSError": (errors.ProviderError, _NETWORK),
    "Error": (errors.ProviderError, None),
    "Exception": (errors.ProviderError, "its last lines are in `data.log` with --json"),
}
"""By the nearest class's name: `modal.exception`'s, grpclib's, Python's own; so nothing of theirs is imported here."""
_NO_TOKEN = "Token missing"  # noqa: S105 - words of the client (1.6.4), which has no class of its own for it
_UNSURE = ("ConnectionError", "ServiceError", "InternalError", "InternalFailure", "TimeoutError")
_UNSURE_TOO = ("StreamTerminatedError", "GRPCError", "OSError")


@contextmanager
def modal_errors(action: str) -> Iterator[None]:
    """Raise plexctl's error for whatever Modal's client raises while doing `action`."""
    try:
        yield
    except errors.PlexError:
        raise
    except Exception as error:
        raise as_plexctl(error, action) from error


def as_plexctl(error: Exception, action: str) -> errors.PlexError:
    """Return the error that says in one line what failed, and the way out."""
    kind, hint = KINDS[_name_of(error)]
    if _NO_TOKEN in str(error):
        kind = errors.NoCredentialsError
    words = " ".join(str(error).split()) or type(error).__name__
    return kind(f"cannot {action}: {words}", hint=hint)


def is_unsure(error: Exception) -> bool:
    """Tell whether the call may have taken effect although it failed: its answer may have been lost."""
    return _name_of(error) in (*_UNSURE, *_UNSURE_TOO)


def is_missing(error: BaseException) -> bool:
    """Tell whether Modal said that there is no such thing."""
    return type(error).__name__ == "NotFoundError"


def _name_of(error: Exception) -> str:
    """Return the name of the nearest class that is in the map; each has `Exception` at its end."""
    return next(one.__name__ for one in type(error).__mro__ if one.__name__ in KINDS)

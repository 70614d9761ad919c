"""The operating system's errors as plexctl's, all of them."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from plexctl.errors import ConfigurationError, ConflictError, PlexError, PreflightError, ProviderError

_BY_ERRNO: dict[int, tuple[type[PlexError], str]] = {
    errno.EADDRINUSE: (ConflictError, "choose another --port, or leave it out for the next free one"),
    errno.EACCES: (ConfigurationError, "ports below 1024 and other people's folders need rights that you lack"),
    errno.EPERM: (ConfigurationError, "it belongs to another user"),
    errno.EROFS: (ConfigurationError, "name a folder that can be written with PLEXCTL_HOME"),
    errno.ENOSPC: (PreflightError, "free disk space"),
    errno.EAGAIN: (PreflightError, "too many processes of yours: end some"),
    errno.ENOMEM: (PreflightError, "free memory"),
    errno.EMFILE: (PreflightError, "raise the limit of open files (ulimit -n)"),
    errno.ENFILE: (PreflightError, "close files: the system's table is full"),
}


@contextmanager
def os_errors(action: str) -> Iterator[None]:
    """Raise plexctl's error for whatever the operating system says while doing `action`."""
    try:
        yield
    except OSError as error:
        kind, hint = _BY_ERRNO.get(error.errno or 0, (ProviderError, None))
        raise kind(f"cannot {action}: {error.strerror or error}", hint=hint) from error

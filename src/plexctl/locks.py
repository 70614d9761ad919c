"""One mutation of a deployment at a time, across processes; a crash releases the lock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from plexctl.errors import ConfigurationError, ConflictError
from plexctl.folders import make_private

if TYPE_CHECKING:
    from filelock import FileLock


@contextmanager
def mutation_lock(home: Path, name: str) -> Iterator[None]:
    """Hold the lock of the deployment `name`. Raises ConflictError at once when another plexctl holds it."""
    lock = _acquire(home / "locks" / f"{name}.lock", name)
    try:
        yield
    finally:
        lock.release()


def is_locked(home: Path, name: str) -> bool:
    """Tell whether another plexctl is changing that deployment now; nothing is made for it."""
    path = home / "locks" / f"{name}.lock"
    if not path.exists():
        return False
    try:
        _acquire(path, name).release()
    except ConflictError:
        return True
    return False


def _acquire(path: Path, name: str) -> FileLock:
    from filelock import FileLock, Timeout

    try:
        make_private(path.parent)
        lock = FileLock(path, timeout=0, mode=0o600)
        lock.acquire()
    except Timeout:
        raise ConflictError(
            f"another plexctl is changing {name} right now", hint="wait for it, or end it, and try again"
        ) from None
    except OSError as error:
        raise ConfigurationError(
            f"cannot write in {path.parent}: {error.strerror}",
            hint="name a folder that can be written with PLEXCTL_HOME",
        ) from error
    return lock

"""One model's folder in the cache of huggingface_hub, and what plexctl keeps beside it: a lock and a marker.

    hub/models--owner--name/blobs/<etag>                       a file, by its hash
    hub/models--owner--name/blobs/<etag>.plexctl.incomplete    what has come of it: found again after a kill
    hub/models--owner--name/snapshots/<commit>/<name>          a link to it
    hub/models--owner--name/refs/<branch>                      the commit that it was resolved to last
    hub/.plexctl/models--owner--name/lock                      held while somebody fetches
    hub/.plexctl/models--owner--name/<commit>.json             sizes and times of files that were found right

The lock is the kernel's (flock), so that a crash releases it. Where a file system has none, two gateways may fetch
the same bytes; what comes out is checked all the same.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

from plexctl.gateway.weights.request import NAMES, is_commit, repo_folder

_PARTIAL = ".plexctl.incomplete"
_LOCK_POLL_S = 0.25
_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL})


class Cache:
    """A model's files under `hub`, the cache's folder of models."""

    def __init__(self, hub: Path, repo: str) -> None:
        self.hub = hub
        self._folder = hub / repo_folder(repo)
        self._own = hub / ".plexctl" / repo_folder(repo)

    def blob(self, etag: str) -> Path:
        """Return where a whole file lies."""
        return self._folder / "blobs" / etag

    def partial(self, etag: str) -> Path:
        """Return where a file is written to."""
        return self._folder / "blobs" / f"{etag}{_PARTIAL}"

    def pointer(self, commit: str, name: str) -> Path:
        """Return where a reader looks for a file."""
        return self._folder / "snapshots" / commit / name

    def size_here(self, etag: str) -> int:
        """Return how many bytes of a file are on the disk, whole or not."""
        for path in (self.blob(etag), self.partial(etag)):
            with contextlib.suppress(OSError):
                return path.stat().st_size
        return 0

    def sweep(self, etags: Collection[str]) -> None:
        """Remove what had come of files that are no longer wanted; only under the lock."""
        keep = {self.partial(etag) for etag in etags}
        for path in (self._folder / "blobs").glob(f"*{_PARTIAL}"):
            if path not in keep:
                path.unlink(missing_ok=True)

    def last_commit(self, branch: str) -> str | None:
        """Return the commit that a branch or tag was resolved to last."""
        try:
            commit = self._ref(branch).read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            return None
        return commit if is_commit(commit) else None

    def remember(self, branch: str, commit: str) -> None:
        """Keep what a branch or tag was resolved to; upstream's own huggingface_hub reads it too."""
        if not is_commit(branch) and self.last_commit(branch) != commit:
            _write(self._ref(branch), commit)

    def is_verified(self, commit: str) -> bool:
        """Tell whether every file of a commit was found right once and has not been touched since."""
        try:
            marker = json.loads(self._marker(commit).read_bytes())
            return bool(marker["asked"] == list(NAMES) and marker["files"] == self._stamps(commit, marker["files"]))
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def mark_verified(self, commit: str, names: Collection[str]) -> None:
        """Keep that these files, which are all of a commit's, were found right."""
        marker = {"asked": list(NAMES), "files": self._stamps(commit, names)}
        _write(self._marker(commit), json.dumps(marker))

    @contextlib.contextmanager
    def lock(self, on_wait: Callable[[], None]) -> Iterator[None]:
        """Hold the right to fetch; `on_wait` is called again and again while somebody else has it. Raises OSError."""
        self._own.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._own / "lock", os.O_RDWR | os.O_CREAT, 0o664)
        try:
            while not _take(descriptor):
                on_wait()
                time.sleep(_LOCK_POLL_S)
            yield
        finally:
            os.close(descriptor)

    def _ref(self, branch: str) -> Path:
        return self._folder / "refs" / branch

    def _marker(self, commit: str) -> Path:
        return self._own / f"{commit}.json"

    def _stamps(self, commit: str, names: Collection[str]) -> dict[str, Any]:
        """Return size and time of each file. Raises OSError for one that is missing."""
        found = {name: self.pointer(commit, name).stat() for name in names}
        return {name: [stat.st_size, stat.st_mtime_ns] for name, stat in found.items()}


def _take(descriptor: int) -> bool:
    """Tell whether the lock is ours now, or nobody's because the file system has none."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
    return True


def _write(path: Path, text: str) -> None:
    """Write a small file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    fresh.write_text(text, encoding="ascii")
    fresh.replace(path)

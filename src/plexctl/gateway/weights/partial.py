"""A file that grows until it is whole, hashed while it is written, and found again after a kill.

Hashing has a thread of its own: hashlib and the system calls let go of Python's lock for blocks of this size, so that
reading, writing and hashing overlap.
"""

from __future__ import annotations

import hashlib
import queue
import threading
from pathlib import Path
from typing import Any, Self

CHUNK = 1024 * 1024
"""Bytes at once."""
_WAITING_CHUNKS = 16
_SHA256_DIGITS = 64
_SHA1_DIGITS = 40


def hasher_for(digest: str, size: int) -> Any | None:
    """Return the hash that a Hub's etag is of: sha256 of a large file, git's sha1 of a small one, else None."""
    if len(digest) == _SHA256_DIGITS:
        return hashlib.sha256()
    if len(digest) == _SHA1_DIGITS:
        return hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    return None


def is_right(path: Path, digest: str, size: int) -> bool:
    """Tell whether a file on the disk is what its hash says; only its size is compared where there is no hash."""
    if path.stat().st_size != size:
        return False
    hasher = hasher_for(digest, size)
    if hasher is None:
        return True
    with path.open("rb", buffering=0) as file:
        while block := file.read(CHUNK):
            hasher.update(block)
    return bool(hasher.hexdigest() == digest)


class Partial:
    """What has come of a file of `size` bytes, at `path`; from `with` to its end. Raises OSError."""

    def __init__(self, path: Path, digest: str, size: int) -> None:
        self._path = path
        self._digest = digest
        self._size = size
        self.position = 0

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._path.open("a+b", buffering=0)
        self._begin_hash()
        self._file.seek(0)
        while block := self._file.read(CHUNK):
            self._take(block)
        if self.position > self._size:
            self.restart()
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._end_hash()

    def write(self, block: bytes) -> None:
        """Append."""
        rest = memoryview(block)
        while rest:
            rest = rest[self._file.write(rest) :]
        self._take(block)

    def restart(self) -> None:
        """Throw away what is here."""
        self._end_hash()
        self._file.truncate(0)
        self.position = 0
        self._begin_hash()

    def is_right(self) -> bool:
        """Tell whether the whole file is what its hash says; nothing may be written after it."""
        self._end_hash()
        return self.position == self._size and (self._hasher is None or self._hasher.hexdigest() == self._digest)

    def _take(self, block: bytes) -> None:
        self.position += len(block)
        self._blocks.put(block)

    def _begin_hash(self) -> None:
        self._hasher = hasher_for(self._digest, self._size)
        self._blocks: queue.Queue[bytes | None] = queue.Queue(_WAITING_CHUNKS)
        self._thread = threading.Thread(target=_hash, args=(self._hasher, self._blocks), daemon=True)
        self._thread.start()

    def _end_hash(self) -> None:
        if self._thread.is_alive():
            self._blocks.put(None)
            self._thread.join()


def _hash(hasher: Any | None, blocks: queue.Queue[bytes | None]) -> None:
    while (block := blocks.get()) is not None:
        if hasher is not None:
            hasher.update(block)

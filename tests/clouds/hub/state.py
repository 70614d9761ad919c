"""What the loopback Hub knows: repositories, tokens, and who may read what. No I/O."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

COMMIT = "3f1e08a5b7c94d26a0b1c2d3e4f5a6b7c8d9e0f1"
"""The commit of `main` where no other is named."""
_INLINE = 100_000
"""Files up to this size are served by the Hub itself, larger ones by its storage."""
_HASHED = 64 << 20
"""Zeros beyond this are not hashed: such a file is described, and never read to its end."""


@dataclass(frozen=True)
class Content:
    """A file: `head` is what stands at its beginning, the rest up to `size` is zeros; or what lies at `path`."""

    size: int
    head: bytes = b""
    path: Path | None = None
    xet: tuple[str, str] | None = None
    """Its hash in Xet storage, and where to ask for a token of that."""

    @classmethod
    def of(cls, data: bytes) -> Content:
        """Return a file that holds just this."""
        return cls(len(data), data)

    @classmethod
    def at(cls, path: Path) -> Content:
        """Return a file on the disk, which is sent from there and never held in memory."""
        return cls(path.stat().st_size, path=path)

    @property
    def is_large(self) -> bool:
        """Tell whether it lies in the storage (LFS, Xet) rather than in the git repository."""
        return self.size > _INLINE

    @property
    def etag(self) -> str:
        """Its hash as the Hub gives it: sha256 of a large file, git's sha1 of a small one."""
        return _etag(self)

    def open(self) -> BinaryIO | None:
        """Return the file on the disk, for whom can send it from there."""
        return self.path.open("rb") if self.path else None

    def part(self, first: int, length: int) -> bytes:
        """Return `length` bytes from `first`."""
        if self.path is not None:
            with self.path.open("rb") as file:
                file.seek(first)
                return file.read(length)
        kept = self.head[first : first + length]
        return kept + bytes(max(0, min(length, self.size - first) - len(kept)))


@lru_cache(maxsize=64)
def _etag(content: Content) -> str:
    if not content.is_large:
        whole = content.part(0, content.size)
        return hashlib.sha1(b"blob %d\0" % len(whole) + whole, usedforsecurity=False).hexdigest()
    if content.path is not None:
        with content.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    shown = content.part(0, content.size) if content.size <= _HASHED else content.head + str(content.size).encode()
    return hashlib.sha256(shown).hexdigest()


@dataclass
class Repository:
    """A model repository. `gated` is False, "auto" or "manual"; `access` maps accounts to how their request stands."""

    name: str
    files: dict[str, Content]
    gated: bool | str = False
    private: bool = False
    card: Mapping[str, Any] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=lambda: {"main": COMMIT})
    access: dict[str, str] = field(default_factory=dict)
    """`granted`, `pending` or `rejected`; an account that is not here never asked."""

    def commit(self, revision: str) -> str | None:
        """Return the commit that a branch, a tag or a commit stands for."""
        return revision if revision in self.refs.values() else self.refs.get(revision)

    def described(self, commit: str, *, blobs: bool) -> dict[str, Any]:
        """Return what `/api/models/<name>` says, with sizes when `blobs`."""
        licence = [f"license:{self.card['license']}"] if "license" in self.card else []
        return {
            "_id": "65a1b2c3d4e5f60718293a4b",
            "id": self.name,
            "modelId": self.name,
            "sha": commit,
            "private": self.private,
            "gated": self.gated,
            "disabled": False,
            "downloads": 1,
            "likes": 1,
            "tags": ["safetensors", *licence],
            "cardData": dict(self.card),
            "siblings": [
                {"rfilename": name} | ({"size": content.size, "blobId": content.etag[:40]} if blobs else {})
                for name, content in self.files.items()
            ],
        }

    def tree(self) -> list[dict[str, Any]]:
        """Return what `/api/models/<name>/tree/<revision>` says."""
        return [
            {"type": "file", "oid": content.etag[:40], "size": content.size, "path": name}
            for name, content in self.files.items()
        ]


@dataclass(frozen=True)
class Token:
    """A user access token. `role` is read, write or fineGrained."""

    account: str
    role: str = "read"
    can_read_gated: bool = True
    """Asked of fine-grained tokens only."""
    is_expired: bool = False

    def whoami(self) -> dict[str, Any]:
        """Return what `/api/whoami-v2` says."""
        token: dict[str, Any] = {
            "displayName": "ci",
            "role": self.role,
            "createdAt": "2026-10-01T00:00:00.000Z",
        }
        if self.role == "fineGrained":
            token["fineGrained"] = {"canReadGatedRepos": self.can_read_gated, "global": [], "scoped": []}
        return {
            "type": "user",
            "id": "65a1b2c3d4e5f60718293a4c",
            "name": self.account,
            "fullname": self.account.title(),
            "isPro": False,
            "orgs": [],
            "auth": {"type": "access_token", "accessToken": token},
        }

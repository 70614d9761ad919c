"""Asks the Hub, through huggingface_hub: which commit a revision is, which files it has, and where each lies."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from plexctl.gateway.weights.errors import OF_THE_DISK, Cause, FetchError, error_of
from plexctl.gateway.weights.patience import Patience
from plexctl.gateway.weights.request import NAMES, NEEDED, is_commit

T = TypeVar("T")
_CRITICAL = 50
_PLAIN = re.compile(r"[\w-][\w.-]{0,254}", re.ASCII)
"""An etag that is a file's name and no path."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What a revision is now: its commit, and those of its files that upstream reads."""

    commit: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class File:
    """One file of a commit. `location` and `xet` go stale: they are asked for again before each try."""

    name: str
    etag: str
    """Its hash: sha256 for a large file, git's sha1 for a small one."""
    size: int
    location: str
    xet: Any | None
    """huggingface_hub's XetFileData, where the file lies in Xet storage."""


class Hub:
    """The Hub that HF_ENDPOINT names, with the token that huggingface_hub finds."""

    def __init__(self, repo: str, answer_s: float) -> None:
        from huggingface_hub import HfApi, get_token
        from huggingface_hub.utils import logging
        from huggingface_hub.utils._headers import build_hf_headers

        logging.set_verbosity(_CRITICAL)
        self._api = HfApi()
        self._repo = repo
        self._answer_s = answer_s
        self.token: str = get_token() or ""
        self.headers: dict[str, str] = build_hf_headers() | {"Accept-Encoding": "identity"}

    def listing(self, revision: str, answer_s: float) -> Listing:
        """Return what a revision is now. Raises FetchError."""
        found = self._ask(lambda: self._api.model_info(self._repo, revision=revision or None, timeout=answer_s))
        listed = {str(sibling.rfilename) for sibling in found.siblings or ()}
        if not is_commit(found.sha):
            raise FetchError("what answered is no model hub: check HF_ENDPOINT", Cause.NETWORK)
        missing = [name for name in NEEDED if name not in listed]
        if missing:
            raise FetchError(f"{self._repo} at {found.sha} has no {missing[0]}: check PLEXCTL_MODEL_REPO", None)
        return Listing(str(found.sha), tuple(name for name in NAMES if name in listed))

    def file(self, commit: str, name: str) -> File:
        """Return where a file lies now, and what it must be. Raises FetchError."""
        from huggingface_hub import get_hf_file_metadata, hf_hub_url

        url = hf_hub_url(self._repo, name, revision=commit)
        found = self._ask(lambda: get_hf_file_metadata(url, timeout=self._answer_s))
        if not (found.etag and _PLAIN.fullmatch(found.etag) and isinstance(found.size, int)):
            raise FetchError("what answered is no model hub: check HF_ENDPOINT", Cause.NETWORK)
        return File(name, found.etag, found.size, found.location, found.xet_file_data)

    def link(self, commit: str, name: str, cache: str) -> None:
        """Let huggingface_hub make the link to a file that is in the cache. Raises FetchError, OSError."""
        from huggingface_hub import hf_hub_download

        self._ask(lambda: hf_hub_download(self._repo, name, revision=commit, cache_dir=cache))

    def is_hub(self, url: str) -> bool:
        """Tell whether an address is the Hub's own, which gets the token; storage gets none."""
        from urllib.parse import urlsplit

        return urlsplit(url)[:2] == urlsplit(self._api.endpoint)[:2]

    def _ask(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except Exception as error:
            if getattr(error, "errno", None) in OF_THE_DISK:
                raise
            raise error_of(error, has_token=bool(self.token)) from error


def patiently(patience: Patience, call: Callable[[], T]) -> T:
    """Return what a call gives, tried again as long as there is patience. Raises FetchError."""
    while True:
        try:
            return call()
        except FetchError as error:
            patience.wait(error)

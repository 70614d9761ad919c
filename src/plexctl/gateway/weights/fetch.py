"""All files of one commit: what is asked, what is looked at, and in which order."""

from __future__ import annotations

import errno
import shutil
import time
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from pathlib import Path

from plexctl.gateway.weights.cache import Cache
from plexctl.gateway.weights.errors import Cause, FetchError
from plexctl.gateway.weights.hub import File, Hub, Listing, patiently
from plexctl.gateway.weights.messages import Message, Note, Progress
from plexctl.gateway.weights.meter import Meter, size_in_words
from plexctl.gateway.weights.patience import Patience
from plexctl.gateway.weights.request import Request, is_commit
from plexctl.gateway.weights.transfer import Fetching, Transfer

MARGIN_BYTES = 512 * 1024 * 1024
"""What stays free beside the weights: upstream unpacks its voices next to them."""
_REPORT_S = 0.25
_ANSWER_S = 10.0
_QUICK_ANSWER_S = 5.0
"""How long an answer may take that is not needed, because a complete commit is here."""


def fetch(request: Request, say: Callable[[Message], None]) -> str:
    """Bring every file of a revision into the cache and return its commit. Raises FetchError."""
    cache = Cache(request.cache, request.repo)
    try:
        commit = _at_hand(request, cache) or _fetch(request, cache, say)
        cache.remember(request.branch, commit)
    except OSError as error:
        raise _disk_error(error, request.cache) from error
    return commit


def _at_hand(request: Request, cache: Cache) -> str | None:
    """Return the commit that is pinned and complete: then nobody is asked."""
    return request.revision if is_commit(request.revision) and cache.is_verified(request.revision) else None


def _fetch(request: Request, cache: Cache, say: Callable[[Message], None]) -> str:
    say(Progress("weights: asking the hub"))
    hub = Hub(request.repo, min(_ANSWER_S, request.patience_s))
    listing = _listing(request, cache, hub, say)
    if isinstance(listing, str):
        return listing
    say(Note(f"{request.repo}: {request.branch} is {listing.commit}"))
    if cache.is_verified(listing.commit):
        return listing.commit
    with cache.lock(lambda: say(Progress("weights: another gateway is fetching them"))):
        if not cache.is_verified(listing.commit):
            _bring(request, cache, hub, listing, say)
    return listing.commit


def _listing(request: Request, cache: Cache, hub: Hub, say: Callable[[Message], None]) -> Listing | str:
    """Return what the revision is now, or the commit that it was last where that is complete and nobody answers."""
    last = cache.last_commit(request.branch)
    has_last = last is not None and cache.is_verified(last)
    answer_s = min(_QUICK_ANSWER_S if has_last else _ANSWER_S, request.patience_s)
    patience = Patience(0 if has_last else request.patience_s, _waiting(say))
    try:
        return patiently(patience, lambda: hub.listing(request.revision, answer_s))
    except FetchError as error:
        if last is None or not has_last or error.is_final:
            raise
        say(Note(f"{error.words}; going on with {last}, which {request.branch} was last"))
        return last


def _bring(request: Request, cache: Cache, hub: Hub, listing: Listing, say: Callable[[Message], None]) -> None:
    """Fetch what is missing of a commit and check all of it; only under the lock."""
    files = _files(request, hub, listing, say)
    cache.sweep({file.etag for file in files})
    here = {file.name: min(cache.size_here(file.etag), file.size) for file in files}
    meter = Meter({file.name: file.size for file in files}, here)
    missing = meter.total - sum(here.values())
    refuse_small_disk(missing, _free_bytes(request.cache), request.cache)
    say(Note(f"{size_in_words(missing)} of {size_in_words(meter.total)} to fetch into {request.cache}"))
    fetching = Fetching(hub, cache, listing.commit, meter, request.patience_s, lambda text: say(Note(text)))
    _all_at_once(fetching, files, say)
    cache.mark_verified(listing.commit, listing.names)


def _files(request: Request, hub: Hub, listing: Listing, say: Callable[[Message], None]) -> list[File]:
    """Return where each file lies, asked side by side."""

    def ask(name: str) -> File:
        patience = Patience(request.patience_s, _waiting(say))
        return patiently(patience, lambda: hub.file(listing.commit, name))

    return list(ThreadPoolExecutor(len(listing.names)).map(ask, listing.names))


def _waiting(say: Callable[[Message], None]) -> Callable[[FetchError, float], None]:
    """Return what says, in log and phase, that the Hub is asked again."""

    def on_wait(error: FetchError, pause_s: float) -> None:
        say(Note(f"{error.words}; again in {pause_s:g} s"))
        if error.retry_after_s is not None:
            say(Progress(f"weights: the hub asks to wait {pause_s:g} s"))

    return on_wait


def _all_at_once(fetching: Fetching, files: list[File], say: Callable[[Message], None]) -> None:
    """Run every transfer, and report until the last has ended. The first failure is raised at once: the caller ends."""
    threads = ThreadPoolExecutor(len(files))
    running: list[Future[None]] = [threads.submit(Transfer(fetching, file).run) for file in files]
    is_over = False
    while not is_over:
        _, pending = wait(running, timeout=_REPORT_S, return_when=FIRST_EXCEPTION)
        failure = next((one.exception() for one in running if one.done() and one.exception()), None)
        if failure is not None:
            raise failure
        say(fetching.meter.read(time.monotonic()))
        is_over = not pending


def refuse_small_disk(missing: int, free: int, folder: Path) -> None:
    """Raise FetchError when what is missing does not fit. Sizes in bytes."""
    if missing and free < missing + MARGIN_BYTES:
        need = f"needs {size_in_words(missing + MARGIN_BYTES)} and has {size_in_words(free)} free"
        raise FetchError(f"the disk is too small: {folder} {need}; make room, or set HF_HOME elsewhere", Cause.DISK)


def _free_bytes(folder: Path) -> int:
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    return shutil.disk_usage(existing).free


def _disk_error(error: OSError, folder: Path) -> FetchError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return FetchError(
            f"the disk is full: {folder} has no room left; make room, or set HF_HOME elsewhere", Cause.DISK
        )
    return FetchError(f"{folder} cannot be used ({error.strerror}): set HF_HOME to a folder to write in", Cause.DISK)

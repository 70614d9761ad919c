"""One file, from wherever it stood to whole, right and linked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from plexctl.gateway.weights import sources, xet
from plexctl.gateway.weights.cache import Cache
from plexctl.gateway.weights.errors import Cause, FetchError
from plexctl.gateway.weights.hub import File, Hub, patiently
from plexctl.gateway.weights.meter import Meter
from plexctl.gateway.weights.partial import Partial, is_right
from plexctl.gateway.weights.patience import Patience

_MOST_WRONG = 3
_SILENCE_S = 20.0


@dataclass(frozen=True, slots=True)
class Fetching:
    """What all files of one commit share."""

    hub: Hub
    cache: Cache
    commit: str
    meter: Meter
    patience_s: float
    log: Callable[[str], None]

    def patience(self, name: str) -> Patience:
        """Return a file's patience, which says in log and phase what is waited for."""

        def on_wait(error: FetchError, pause_s: float) -> None:
            self.log(f"{name}: {error.words}; again in {pause_s:g} s")
            if error.retry_after_s is not None:
                self.meter.note = f"the hub asks to wait {pause_s:g} s"

        return Patience(self.patience_s, on_wait)


class Transfer:
    """One file on its way."""

    def __init__(self, fetching: Fetching, file: File) -> None:
        self._all = fetching
        self._file = file
        self._patience = fetching.patience(file.name)
        self._without_xet = False

    def run(self) -> None:
        """Bring the file here. Raises FetchError, or OSError of the disk."""
        file, cache = self._file, self._all.cache
        blob = cache.blob(file.etag)
        if blob.exists() and not is_right(blob, file.etag, file.size):
            self._all.log(f"{file.name}: what is in the cache is not what the hub has: it is fetched again")
            blob.unlink()
        if not blob.exists():
            self._fetch()
            cache.partial(file.etag).replace(blob)
        patiently(self._patience, lambda: self._all.hub.link(self._all.commit, file.name, str(cache.hub)))
        self._all.meter.finished(file.name)

    def _fetch(self) -> None:
        """Fill the partial file until it is right; wrong bytes are thrown away a few times."""
        for _ in range(_MOST_WRONG):
            with Partial(self._all.cache.partial(self._file.etag), self._file.etag, self._file.size) as partial:
                self._fill(partial)
                if partial.is_right():
                    return
                partial.restart()
            self._without_xet = True
            self._all.log(f"{self._file.name}: the bytes that came are not what the hub says: they are thrown away")
        words = f"the hub sent wrong bytes of {self._file.name} {_MOST_WRONG} times: check HF_ENDPOINT and proxies"
        raise FetchError(words, Cause.NETWORK)

    def _fill(self, partial: Partial) -> None:
        while partial.position < self._file.size:
            try:
                for block in self._source(partial.position):
                    partial.write(block)
                    self._patience.progressed()
                    self._all.meter.reached(self._file.name, partial.position)
            except FetchError as error:
                self._patience.wait(error)
                self._file = patiently(self._patience, self._where_now)
            except sources.StartsOverError:
                self._all.log(f"{self._file.name}: the hub gives no part of it: it is fetched from its beginning")
                partial.restart()

    def _source(self, first: int) -> Iterator[bytes]:
        silence_s = min(_SILENCE_S, self._all.patience_s / 3)
        if self._without_xet or not xet.is_on(self._file):
            yield from sources.over_http(self._all.hub, self._file, first, silence_s)
            return
        try:
            yield from xet.over_xet(self._all.hub, self._file, first, silence_s)
        except Exception as error:  # noqa: BLE001 - whatever it was, plain HTTP can do the rest
            self._without_xet = True
            self._all.log(f"{self._file.name}: Xet failed ({type(error).__name__}): going on over HTTP")

    def _where_now(self) -> File:
        """Ask again where the file lies: signed addresses run out, and a gate may have closed."""
        now = self._all.hub.file(self._all.commit, self._file.name)
        return replace(self._file, location=now.location, xet=now.xet)

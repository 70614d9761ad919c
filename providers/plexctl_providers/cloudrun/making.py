"""Making one thing, once: it is looked for before, and again whenever nobody knows whether it was made."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from plexctl.contract import DeploymentJournal
from plexctl.errors import PlexError, ProviderError
from plexctl_providers.cloudrun.errors import is_lost, is_taken

T = TypeVar("T")
_TRIES = 4
_FIRST_WAIT_S = 0.25


def ensure(look: Callable[[], T | None], make: Callable[[], object]) -> T:
    """Return what is there, made if need be; never made again before it was looked for by its name.

    Raises what `make` raised last when it is not there after all tries; at once what no repetition mends.
    """
    found = look()
    last: PlexError | None = None
    for attempt in range(_TRIES):
        if found is not None:
            return found
        if attempt:
            time.sleep(_FIRST_WAIT_S * 2 ** (attempt - 1))
        try:
            make()
        except PlexError as error:
            if not is_lost(error) and not is_taken(error):
                raise
            last = error
        found = look()
    if found is None:
        raise last or ProviderError("Google says that it was made, and it is not to be found")
    return found


class Record:
    """What of a deployment the journal knows, and gets to know before and after each thing is made."""

    def __init__(self, journal: DeploymentJournal) -> None:
        self._journal = journal

    def keeps(self, kind: str, name: str, detail: Mapping[str, str]) -> bool:
        """Tell whether it is recorded as made, and as being there."""
        recorded = (one for one in self._journal.ref.resources if (one.kind, one.name) == (kind, name) and one.id)
        return any(one.detail == detail for one in recorded)

    def through(self, kind: str, name: str, detail: Mapping[str, str], make: Callable[[], str]) -> None:
        """Record the intent, call `make`, and record the id that it returns; a record that is there stays."""
        if self.keeps(kind, name, detail):
            make()
            return
        key = self._journal.intend(kind, name, detail)
        self._journal.created(key, make(), detail)

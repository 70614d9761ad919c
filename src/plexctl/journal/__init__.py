"""The crash-safe local record of what exists because of plexctl.

Intent is written before each create and the resource's id right after, each in its own durable transaction, so
that a process killed at any point leaves either nothing, or an entry that says what to look for and by what name.
It holds no secret. It is not a cache of provider state: what is true now is asked of the provider.
"""

from plexctl.journal.entry import Entry, Record, Wanted
from plexctl.journal.hosts import DeniedHost
from plexctl.journal.images import ImageRecord
from plexctl.journal.store import Journal, open_journal

__all__ = ["DeniedHost", "Entry", "ImageRecord", "Journal", "Record", "Wanted", "open_journal"]

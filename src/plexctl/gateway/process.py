"""What the gateway sets for its own process: enough file descriptors, and logging that leaks nothing.

Python's `logging` would print aiohttp's errors to standard error, and the error about a broken request quotes the
request, token and all: such records are dropped, every other one goes through the logbook, which blots secrets out.
"""

from __future__ import annotations

import contextlib
import logging
import resource
import traceback

from aiohttp.http_exceptions import HttpProcessingError

from plexctl.gateway.logbook import Logbook

_WANTED_FILES = 65_536


def raise_file_limit() -> None:
    """Allow as many open files as the system grants: each conversation takes two, and idle sockets one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _WANTED_FILES if hard == resource.RLIM_INFINITY else min(hard, _WANTED_FILES)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class _ToLogbook(logging.Handler):
    def __init__(self, logbook: Logbook) -> None:
        super().__init__(logging.WARNING)
        self._logbook = logbook

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, HttpProcessingError):
            return
        self._logbook.write("gateway", f"{record.levelname.lower()}: {record.getMessage()}")
        if error is not None:
            for line in "".join(traceback.format_exception(error)).splitlines():
                self._logbook.write("gateway", line)


def log_to(logbook: Logbook) -> None:
    """Send what libraries log, from warnings upwards, through the logbook and nowhere else."""
    logging.basicConfig(handlers=[_ToLogbook(logbook)], level=logging.WARNING, force=True)

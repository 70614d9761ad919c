"""Finds out that the other side is gone: TCP alone takes a quarter of an hour to notice."""

from __future__ import annotations

import threading
from typing import Any

from plexctl_providers._common.ssh.vendor import foreign_errors

_MISSED = 3


class Keepalive:
    """A thread that asks for a sign of life every so often, and closes a transport that gives none."""

    def __init__(self, transport: Any, every_s: float) -> None:
        self._transport = transport
        self._every_s = every_s
        self._ended = threading.Event()
        threading.Thread(target=self._ask, name="ssh-keepalive", daemon=True).start()

    def end(self) -> None:
        """Ask no more."""
        self._ended.set()

    def _ask(self) -> None:
        while not self._ended.wait(self._every_s) and self._transport.is_active():
            patience = threading.Timer(_MISSED * self._every_s, self._transport.close)
            patience.daemon = True
            patience.start()
            try:
                # OpenSSH answers any request: with a refusal, where it does not know it.
                self._transport.global_request("keepalive@openssh.com", wait=True)
            except foreign_errors():
                self._transport.close()
            finally:
                patience.cancel()

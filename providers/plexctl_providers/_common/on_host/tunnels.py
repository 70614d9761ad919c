"""The gateway of a host on this computer's loopback, through ssh."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from plexctl.model import Endpoint
from plexctl_providers._common.on_host.machine import CONNECT_S, Machine
from plexctl_providers._common.ssh.connection import connect
from plexctl_providers._common.ssh.forwarding import forwarded

HERE = "127.0.0.1"


@contextmanager
def tunnel(machine: Machine, port: int) -> Iterator[Endpoint]:
    """Give the gateway on the host's loopback until the context ends; a connection that breaks is made anew."""
    with forwarded(partial(connect, machine.login, timeout_s=CONNECT_S), HERE, port) as local:
        yield Endpoint(f"http://{HERE}:{local}", f"ws://{HERE}:{local}/api/chat", "none")

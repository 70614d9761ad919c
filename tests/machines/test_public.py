"""TLS in front of a machine for everyone: the one port beside ssh that is led to from outside."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.machines.conftest import Begin
from tests.machines.door import Door
from tests.machines.machine import Machine

TLS = """
import socket, threading

def carry(one, other):
    try:
        while data := one.recv(65536):
            other.sendall(data)
        other.shutdown(socket.SHUT_WR)
    except OSError:
        pass

caller, inside = socket.socket(fileno=0), socket.create_connection(("127.0.0.1", 443))
threading.Thread(target=carry, args=(inside, caller), daemon=True).start()
carry(caller, inside)
for thread in threading.enumerate()[1:]:
    thread.join()
"""


@contextmanager
def with_open_tls(machine: Machine) -> Iterator[None]:
    """Lead callers of the machine's address at port 443 to that port inside."""
    argv = [*machine.enter(), "python3", "-c", TLS]
    door = Door(lambda: argv, machine.folder / "tls.log", 443, machine.address)
    door.open()
    try:
        yield
    finally:
        door.cut()
        door.close()


@pytest.mark.slow
def test_everyone_gets_there_by_tls(ground: Begin) -> None:
    """`--public ip`: it talks at its address, whose certificate is pinned as the host said; a destroy takes all."""
    here = ground()
    before = here.files()
    with with_open_tls(here.machine):
        wish = [word for word in here.wish if word != "--no-probe"]
        assert here.ok(*wish, "--public", "ip").data["probe"]["verdict"] == "talking"
        (status,) = here.ok("status", "voice", "--json").data["deployments"]
        assert (status["state"], status["endpoint"]["url"]) == ("ready", f"https://{here.machine.address}")
        assert status["endpoint"]["tls"].startswith("sha256:")
        here.ok("stop", "voice", "--yes")
        here.ok("start", "voice")
        assert here.ok("probe", "voice", "--seconds", "1s", "--json").data["verdict"] == "talking"
        here.ok("destroy", "voice", "--yes")
    here.gone(before)

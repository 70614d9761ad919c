"""What all tests share: sockets that cannot leave the loopback, and the real CLI as a process.

The guard is for this process; the processes that tests start are given nothing but loopback addresses.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.process import Plexctl, plexctl_in

TOGETHER = {
    "deploying": ("cli/", "crash/", "packaging/", "unit/local/", "licence/test_deploy.py", "weights/test_deploy.py"),
    "networks": ("runtime/", "containers/"),
}
"""Folders and files whose tests stay in one process: those that deploy to this machine, since what starts again comes
back on its port unless another has taken it; and those whose containers have networks, since podman's names are one set
for the machine. Of tests/contract, only the local provider's belong there."""

_REAL = {name: getattr(socket.socket, name) for name in ("connect", "connect_ex", "sendto")}
_REAL_LOOKUP = socket.getaddrinfo
_is_live = False


class LeftLoopbackError(AssertionError):
    """A test wanted to talk to another machine."""


def pytest_configure() -> None:
    """Confine this process's sockets to the loopback."""
    for name in _REAL:
        setattr(socket.socket, name, _confined(name))
    socket.getaddrinfo = _lookup


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Share the work by files, where several processes do it, and keep together what must be.

    The groups that pytest-xdist 3.8 has for this do nothing with pytest 9, which remembers a test's id before they are
    put into it.
    """
    from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

    class ByFile(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            file, _, test = nodeid.partition("::")
            if file.startswith("tests/contract/") and "[local" in test:
                return "deploying"
            inside = file.removeprefix("tests/")
            return next((group for group, paths in TOGETHER.items() if inside.startswith(paths)), file)

    return ByFile(config, log)


@pytest.fixture(autouse=True)
def _open_for_live_tests(request: pytest.FixtureRequest) -> Iterator[None]:
    global _is_live  # noqa: PLW0603 - the one switch
    _is_live = request.node.get_closest_marker("live") is not None
    yield
    _is_live = False


@pytest.fixture
def plexctl(tmp_path: Path) -> Iterator[Plexctl]:
    """Give the real CLI in a clean environment; afterwards its deployments are destroyed and no process is left."""
    with plexctl_in(tmp_path / "plexctl") as one:
        yield one


def _confined(name: str) -> Any:
    def call(self: socket.socket, *arguments: Any) -> Any:
        address = arguments[-1]
        if self.family in (socket.AF_INET, socket.AF_INET6):
            _check(str(address[0]), address)
        return _REAL[name](self, *arguments)

    return call


def _lookup(host: Any, port: Any, *arguments: Any, **options: Any) -> Any:
    name = host.decode() if isinstance(host, bytes) else host
    if name is not None and name.endswith(".invalid"):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    if name:
        _check(name, (host, port))
    return _REAL_LOOKUP(host, port, *arguments, **options)


def _check(host: str, address: object) -> None:
    if _is_live or host == "localhost" or host.endswith(".localhost"):
        return
    try:
        is_loopback = ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        raise LeftLoopbackError(f"a test wanted to leave the loopback: {address!r}")

"""A connection to a host that was verified and logged in to; the only place where bytes go to it."""

from __future__ import annotations

import shlex
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any, Protocol, Self

from plexctl.secret import Secret
from plexctl_providers._common.ssh import putting
from plexctl_providers._common.ssh.destination import Destination
from plexctl_providers._common.ssh.errors import (
    CommandFailedError,
    CommandTimeoutError,
    lost,
    reaching,
    speaking_to,
)
from plexctl_providers._common.ssh.handshake import log_in
from plexctl_providers._common.ssh.keepalive import Keepalive
from plexctl_providers._common.ssh.login import Login
from plexctl_providers._common.ssh.running import Finished, Lines, OverdueError, exit_code, output
from plexctl_providers._common.ssh.vendor import load_paramiko

_LOOK_S = 1.0


class Channel(Protocol):
    """A stream to a port on the host, used as a socket."""

    def recv(self, nbytes: int, /) -> bytes:
        """Return what came, at most that much; nothing at the end."""

    def sendall(self, data: bytes, /) -> None:
        """Send all of it. Raises OSError."""

    def shutdown_write(self) -> None:
        """Say that nothing follows."""

    def close(self) -> None:
        """End both directions."""


class Connection:
    """Runs commands, puts files and opens ports, several at once if need be; `connect` makes one."""

    def __init__(
        self, destination: Destination, transport: Any, host_key: str, *, jump: Connection | None, timeout_s: float
    ) -> None:
        self.destination = destination
        self.host_key = host_key
        self._transport = transport
        self._jump = jump
        self._timeout_s = timeout_s
        self._keepalive: Keepalive | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes | Secret = b"",
        timeout_s: float = 60,
        on_line: Callable[[str], None] | None = None,
    ) -> Finished:
        """Run a command to its end, whatever its exit code is; `on_line` hears both outputs, line by line as they come.

        Raises CommandTimeoutError, ConnectionLostError; the command may go on there after either.
        """
        deadline = time.monotonic() + timeout_s
        hear = on_line or _ignore
        heard = {False: bytearray(), True: bytearray()}
        lines = {False: Lines(), True: Lines()}
        try:
            with self._started(argv) as channel:
                for is_error, data in self._output(channel, _bytes(stdin), deadline):
                    heard[is_error] += data
                    for line in lines[is_error].feed(data):
                        hear(line)
                for line in (*lines[False].end(), *lines[True].end()):
                    hear(line)
                code = self._code(channel, deadline)
        except OverdueError as error:
            words = f"`{argv[0]}` on {self.destination} did not end within {timeout_s:g} s"
            raise CommandTimeoutError(words, hint="look at the host; it may be busy, or the command waits") from error
        return Finished(code, *(bytes(heard[one]).decode(errors="replace") for one in (False, True)))

    def lines(self, argv: Sequence[str], *, stdin: bytes | Secret = b"") -> Iterator[str]:
        """Yield the lines of a command's standard output as they come, until it ends; closing the iterator ends it.

        Raises ConnectionLostError, and CommandFailedError for an exit code that is not 0, with its last words.
        """
        lines, errors, words = Lines(), Lines(), ""
        with self._started(argv) as channel:
            for is_error, data in self._output(channel, _bytes(stdin), None):
                if is_error:
                    words = next((line for line in reversed(errors.feed(data)) if line.strip()), words)
                else:
                    yield from lines.feed(data)
            yield from lines.end()
            code = self._code(channel, None)
        if code != 0:
            raise CommandFailedError(f"`{argv[0]}` on {self.destination} ended with {code}: {words or 'no words'}")

    def put(self, path: str, content: bytes | Secret, *, mode: int) -> None:
        """Write a file whole or not at all: under another name, closed to others before there is content, then moved.

        Raises PreflightError when the disk is full, ProviderError.
        """
        putting.put(self, path, _bytes(content), mode)

    def put_tree(self, folder: str, files: Mapping[str, str]) -> None:
        """Write text files below a folder, made where missing, in one go; scripts can be run. Raises as `put` does."""
        putting.put_tree(self, folder, files)

    def open(self, host: str, port: int) -> Channel:
        """Open a stream from the host to a port that it can reach. Raises ProviderError, ConnectionLostError."""
        paramiko = load_paramiko()
        with speaking_to(self.destination, self._transport):
            try:
                channel: Channel = self._transport.open_channel("direct-tcpip", (host, port), ("127.0.0.1", 0))
            except paramiko.ChannelException as error:
                raise putting.refused_channel(self.destination, error.code, f"{host}:{port}") from error
            return channel

    def sftp(self) -> Any:
        """Open paramiko's SFTP client, each of whose steps has a time limit. Raises paramiko's errors."""
        paramiko = load_paramiko()
        channel = self._transport.open_session()
        try:
            channel.settimeout(self._timeout_s)
            channel.invoke_subsystem("sftp")
            return paramiko.SFTPClient(channel)
        except BaseException:
            channel.close()
            raise

    def is_alive(self) -> bool:
        """Tell whether the connection is up, as far as anybody knows."""
        return bool(self._transport.is_active())

    def close(self) -> None:
        """End it, and that to the jump host."""
        if self._keepalive is not None:
            self._keepalive.end()
        self._transport.close()
        if self._jump is not None:
            self._jump.close()

    def keep_alive(self, every_s: float) -> None:
        """Ask the host for a sign of life from now on; once it gives none three times over, the connection is lost."""
        self._keepalive = Keepalive(self._transport, every_s)

    @contextmanager
    def _started(self, argv: Sequence[str]) -> Iterator[Any]:
        with speaking_to(self.destination, self._transport):
            channel = self._transport.open_session()
        try:
            with speaking_to(self.destination, self._transport):
                channel.exec_command(shlex.join(argv))
            yield channel
        finally:
            with suppress(OSError, EOFError):  # a broken connection has closed it already
                channel.close()

    def _output(self, channel: Any, stdin: bytes, deadline: float | None) -> Iterator[tuple[bool, bytes]]:
        with speaking_to(self.destination, self._transport):
            yield from output(channel, stdin, deadline)

    def _code(self, channel: Any, deadline: float | None) -> int:
        code = exit_code(channel, deadline)
        if code is None and not self.is_alive():
            raise lost(self.destination)
        return -1 if code is None else code


def connect(login: Login, *, timeout_s: float = 15, keepalive_s: float = 15) -> Connection:
    """Connect, verify the host's key and log in; each step may take `timeout_s`.

    Raises UnknownHostKeyError, ChangedHostKeyError, LoginRefusedError, UnreachableError, ConfigurationError,
    ExtraMissingError.
    """
    load_paramiko()
    destination = login.destination
    jump = None if login.jump is None else connect(login.jump, timeout_s=timeout_s, keepalive_s=keepalive_s)
    try:
        if jump is not None:
            stream: Any = jump.open(destination.host, destination.port)
        else:
            with reaching(destination):
                stream = socket.create_connection((destination.host, destination.port), timeout_s)
        transport, host_key = log_in(login, stream, timeout_s)
    except BaseException:
        if jump is not None:
            jump.close()
        raise
    connection = Connection(destination, transport, host_key, jump=jump, timeout_s=timeout_s)
    connection.keep_alive(keepalive_s)
    return connection


def is_reachable(destination: Destination) -> bool:
    """Tell whether something accepts connections there within a second, without logging in."""
    try:
        with socket.create_connection((destination.host, destination.port), _LOOK_S):
            return True
    except (OSError, UnicodeError):
        return False


def _ignore(line: str) -> None:
    del line


def _bytes(content: bytes | Secret) -> bytes:
    return content.reveal().encode(errors="surrogateescape") if isinstance(content, Secret) else content

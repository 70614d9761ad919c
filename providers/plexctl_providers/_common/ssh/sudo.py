"""Commands as root: by being root, by sudo without a password, or with one that goes to its standard input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from plexctl.errors import PreflightError
from plexctl.secret import Secret
from plexctl_providers._common.ssh.running import last_line

if TYPE_CHECKING:
    from plexctl_providers._common.ssh.connection import Connection

_MARK = "plexctl"
_PATIENCE_S = 30.0
"""sudo thinks for seconds about a wrong password."""
_SKIP = f'IFS= read -r line; [ "$line" = {_MARK} ] || IFS= read -r line; exec "$@"'
"""Drops what comes before the command's own input. sudo leaves the password unread where a rule lets this one command
pass without; it must not become the beginning of a file."""
_LOOK = """\
echo "plexctl-user $(id -u)"
command -v sudo >/dev/null && echo plexctl-sudo
sudo -n true 2>/dev/null && echo plexctl-free
true
"""


@dataclass(frozen=True, slots=True)
class Sudo:
    """How commands become root's on one host."""

    password: Secret | None = None
    is_root: bool = False

    def argv(self, argv: Sequence[str]) -> list[str]:
        """Return the command line that runs this one as root; its standard input must be that of `stdin`."""
        if self.is_root:
            return list(argv)
        if self.password is None:
            return ["sudo", "-n", "--", *argv]
        return ["sudo", "-k", "-S", "-p", "", "--", "sh", "-c", _SKIP, "sh", *argv]

    def stdin(self, content: bytes | Secret = b"") -> Secret | bytes:
        """Return the standard input with which the command gets `content`."""
        if self.is_root or self.password is None:
            return content
        text = content.reveal() if isinstance(content, Secret) else content.decode(errors="surrogateescape")
        return Secret(f"{self.password.reveal()}\n{_MARK}\n{text}")


def sudo_for(connection: Connection, password: Secret | None) -> Sudo:
    """Find out how this user becomes root, with a password only where it is asked for. Raises PreflightError."""
    done = connection.run(["sh", "-c", _LOOK])
    said = done.out.splitlines()  # among what a user's shell may say of itself
    if "plexctl-user 0" in said:
        return Sudo(is_root=True)
    if "plexctl-free" in said:
        return Sudo()
    if not any(line.startswith("plexctl-user ") for line in said):
        hint = "does this user have a shell?"
        raise PreflightError(f"{connection.destination} runs no commands: {last_line(done.out + done.err)}", hint=hint)
    if "plexctl-sudo" not in said:
        raise PreflightError(f"{connection.destination} has no sudo, and the user is not root", hint="log in as root")
    if not password:
        hint = "set PLEXCTL_SUDO_PASSWORD, or allow the user sudo without a password, or log in as root"
        raise PreflightError(f"sudo on {connection.destination} asks for a password", hint=hint)
    sudo = Sudo(password)
    tried = connection.run(sudo.argv(["true"]), stdin=sudo.stdin(), timeout_s=_PATIENCE_S)
    if tried.code != 0:
        hint = "check PLEXCTL_SUDO_PASSWORD, and that the user may use sudo at all"
        words = f"sudo on {connection.destination} refuses the password: {last_line(tried.err)}"
        raise PreflightError(words, hint=hint)
    return sudo

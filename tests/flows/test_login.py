"""`doctor --login`: a login by a browser, walked through in a terminal."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.flows.sky import NAME, Sky, SkyProvider
from tests.flows.test_commands import Cli, cli

from plexctl import registry
from plexctl.contract import Login
from plexctl.errors import CredentialsError, UsageError
from plexctl.model import Finding, Level
from plexctl.secret import Secret

__all__ = ["cli"]
KEY = "canary-consumer-key"


class BrowserProvider(SkyProvider):
    """The sky, where people log in by a browser."""

    confirmed = False

    def begin_login(self) -> Login:
        """Give out a key."""
        return Login("https://sky.example/confirm", "SKY_KEY", Secret(KEY))

    def check_credentials(self) -> Finding:
        """Take it once it is confirmed."""
        if self._context.environment.get("SKY_KEY") == KEY and type(self).confirmed:
            return Finding("credentials-sky", Level.OK, "sky takes the key")
        raise CredentialsError("sky does not take the key", hint="confirm it")


class Terminal:
    """A terminal in which somebody presses Enter, having been to the browser or not."""

    def __init__(self, *, has_confirmed: bool) -> None:
        self._has_confirmed = has_confirmed

    def isatty(self) -> bool:
        """Be one."""
        return True

    def readline(self) -> str:
        """Press Enter."""
        BrowserProvider.confirmed = self._has_confirmed
        return "\n"


@pytest.fixture
def sky(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sky:
    """Give a provider with such a login."""
    monkeypatch.setitem(registry.BUILT_IN, NAME, f"{__name__}:BrowserProvider")
    monkeypatch.setenv("PLEXCTL_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(BrowserProvider, "confirmed", False)
    return Sky()


def at_a_terminal(monkeypatch: pytest.MonkeyPatch, *, has_confirmed: bool) -> None:
    """Sit down at a terminal."""
    monkeypatch.setattr("sys.stdin", Terminal(has_confirmed=has_confirmed))
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)


def test_the_login_is_walked_through(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """The address is told, Enter is waited for, the key is tried, and stdout is a line for the shell."""
    at_a_terminal(monkeypatch, has_confirmed=True)
    code, out, err = cli("doctor", "--login", NAME)
    assert (code, out) == (0, f"export SKY_KEY={KEY}\n")
    assert "confirm: https://sky.example/confirm" in err
    assert "sky takes the key" in err
    assert KEY not in err


def test_a_key_that_was_not_confirmed_is_not_given_out(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 4: it would not work."""
    at_a_terminal(monkeypatch, has_confirmed=False)
    code, out, _ = cli("doctor", "--login", NAME)
    assert (code, out) == (CredentialsError.exit_code, "")


@pytest.mark.parametrize("argv", [("--json",), ()])
def test_without_a_terminal_nobody_is_asked(cli: Cli, argv: tuple[str, ...]) -> None:
    """Exit 2, and what to use instead."""
    code, out, err = cli("doctor", "--login", NAME, *argv)
    assert (code, "service account" in out + err) == (UsageError.exit_code, True)


def test_who_has_no_such_login_is_told_who_has(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 2."""
    at_a_terminal(monkeypatch, has_confirmed=True)
    code, _, err = cli("doctor", "--login", "local")
    assert (code, "these have: ovh, sky" in err) == (UsageError.exit_code, True)

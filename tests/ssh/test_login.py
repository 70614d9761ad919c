"""Who gets in to a real sshd, and what is said to who does not."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from tests.ssh.rig import USER, Sshd, keygen, server_that, sshd, write_key

from plexctl.errors import PlexError
from plexctl.secret import Secret
from plexctl_providers._common.ssh.connection import connect
from plexctl_providers._common.ssh.errors import (
    ChangedHostKeyError,
    ConnectionLostError,
    LoginRefusedError,
    UnknownHostKeyError,
    UnreachableError,
)
from plexctl_providers._common.ssh.keys import KeyPair, fingerprint, new_key_pair
from plexctl_providers._common.ssh.known_hosts import text_for
from plexctl_providers._common.ssh.login import Login
from plexctl_providers._common.ssh.trust import Trust

pytestmark = pytest.mark.real
PHRASE = "canary of a passphrase"


def says(login: Login) -> str:
    """Log in, and return what a command says."""
    with connect(login) as connection:
        return connection.run(["echo", "in"]).out.strip()


def refusal(login: Login, kind: type[PlexError]) -> PlexError:
    """Return the refusal of this kind that a login meets."""
    with pytest.raises(kind) as caught:
        connect(login)
    assert caught.value.exit_code == 4
    assert caught.value.hint
    assert "\n" not in caught.value.message
    return caught.value


def is_up(path: str) -> bool:
    """Tell whether somebody takes callers at a socket, whose file is there a moment before."""
    with socket.socket(socket.AF_UNIX) as caller:
        return caller.connect_ex(path) == 0


@contextmanager
def agent_with(folder: Path, *paths: Path) -> Iterator[str]:
    """Give the socket of a real agent that holds the keys of these files."""
    path = str(folder / "agent")
    process = subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL)
    try:
        while not is_up(path):
            assert process.poll() is None
        for one in paths:
            add = ["ssh-add", "-q", str(one)]
            subprocess.run(add, env=os.environ | {"SSH_AUTH_SOCK": path}, check=True, capture_output=True)
        yield path
    finally:
        process.terminate()
        process.wait()


def rsa_key(folder: Path, *options: str) -> tuple[Path, str]:
    """Make an RSA key by ssh-keygen; return its file and its public line."""
    path = folder / "rsa"
    keygen("-q", "-t", "rsa", "-b", "2048", "-N", "", *options, "-f", str(path))
    return path, Path(f"{path}.pub").read_text(encoding="utf-8")


def test_the_host_key_that_was_believed_is_told(server: Sshd) -> None:
    """A connection tells the key that the host showed, as a line that can be pinned."""
    with connect(server.login) as connection:
        shown = connection.host_key
    assert says(replace(server.login, trust=Trust(pinned=(shown,)))) == "in"
    assert fingerprint(shown) == fingerprint(server.host.public)


def test_a_wrong_host_key_ends_it_before_any_key_is_shown(server: Sshd) -> None:
    """With another pin, sshd is never asked to let anybody in."""
    before = server.log()
    other = new_key_pair("other").public
    error = refusal(replace(server.login, trust=Trust(pinned=(other,))), ChangedHostKeyError)
    assert fingerprint(other) in error.message
    assert fingerprint(server.host.public) in error.message
    assert "Accepted" not in server.log().removeprefix(before)


def test_a_changed_host_key_is_refused(server: Sshd) -> None:
    """A known_hosts file that has another key for the host refuses it, whatever is accepted."""
    login = server.known_hosts(text_for(server.destination, [new_key_pair("old").public]))
    accepted = replace(login.trust, accepted=(fingerprint(server.host.public),))
    error = refusal(replace(login, trust=accepted), ChangedHostKeyError)
    assert "--accept-host-key" not in f"{error.message}{error.hint}"


def test_an_unknown_host_is_let_in_by_its_fingerprint_alone(server: Sshd) -> None:
    """The refusal names the flag; with it the login works; known_hosts is never written."""
    login = server.known_hosts("")
    error = refusal(login, UnknownHostKeyError)
    flag = f"--accept-host-key {fingerprint(server.host.public)}"
    assert flag in (error.hint or "")
    accepted = replace(login.trust, accepted=(fingerprint(server.host.public),))
    assert says(replace(login, trust=accepted)) == "in"
    assert login.trust.known_hosts is not None
    assert login.trust.known_hosts.read_text(encoding="utf-8") == ""


def test_known_hosts_lines_are_obeyed(server: Sshd) -> None:
    """A line as ssh-keyscan and ssh-keygen -H make it lets in; @revoked and @cert-authority do not."""
    line = text_for(server.destination, [server.host.public])
    login = server.known_hosts(line)
    assert login.trust.known_hosts is not None
    keygen("-q", "-H", "-f", str(login.trust.known_hosts))
    assert "127.0.0.1" not in login.trust.known_hosts.read_text(encoding="utf-8")
    assert says(login) == "in"
    refusal(server.known_hosts(f"{line}@revoked {line}"), ChangedHostKeyError)
    refusal(server.known_hosts(f"@cert-authority {line}"), UnknownHostKeyError)


def test_the_host_is_asked_for_the_key_that_is_known(tmp_path: Path) -> None:
    """A host with several keys shows the one that known_hosts has, RSA and ECDSA too."""
    rsa, rsa_public = rsa_key(tmp_path)
    keygen("-q", "-t", "ecdsa", "-N", "", "-f", str(tmp_path / "ecdsa"))
    ecdsa_public = (tmp_path / "ecdsa.pub").read_text(encoding="utf-8")
    pairs = [
        new_key_pair("host"),
        KeyPair(Secret(rsa.read_text(encoding="utf-8")), rsa_public),
        KeyPair(Secret((tmp_path / "ecdsa").read_text(encoding="utf-8")), ecdsa_public),
    ]
    with sshd(tmp_path / "sshd", keys=pairs) as one:
        for pair in pairs:
            assert says(one.known_hosts(text_for(one.destination, [pair.public]))) == "in"


def test_a_wrong_user_and_a_refused_key_say_who_tried_with_what(server: Sshd) -> None:
    """The user and the key's file are named, and the fix."""
    stranger = replace(server.login, destination=replace(server.destination, user="nobody-here"))
    assert "refuses nobody-here" in refusal(stranger, LoginRefusedError).message
    path = server.key_file("other", key=new_key_pair("other"))
    error = refusal(replace(server.login, identity=path), LoginRefusedError)
    assert str(path) in error.message
    assert f"refuses {USER}" in error.message


def test_without_a_user_it_is_the_one_of_this_computer(server: Sshd) -> None:
    """As with OpenSSH, a destination without a user is the own one."""
    assert says(replace(server.login, destination=replace(server.destination, user=None))) == "in"


@pytest.mark.parametrize("options", [(), ("-m", "PEM"), ("-m", "PKCS8")])
def test_rsa_keys_of_every_format_get_in(server: Sshd, tmp_path: Path, options: tuple[str, ...]) -> None:
    """OpenSSH's own format, PEM and PKCS8 are all what people still have."""
    path, public = rsa_key(tmp_path, *options)
    before = (server.folder / "authorized_keys").read_text(encoding="utf-8")
    (server.folder / "authorized_keys").write_text(f"{before}{public}", encoding="utf-8")
    assert says(replace(server.login, identity=path)) == "in"


def test_a_key_file_with_a_passphrase_needs_it(server: Sshd) -> None:
    """Without it, and with a wrong one, the error says so; with it, the login works; it is never shown."""
    path = server.key_file("closed", PHRASE)
    login = replace(server.login, identity=path)
    error = refusal(login, LoginRefusedError)
    assert "has a passphrase" in error.message
    assert f"ssh-add {path}" in (error.hint or "")
    wrong = replace(login, passphrase=Secret(f"wrong {PHRASE}"))
    assert "does not open with this passphrase" in refusal(wrong, LoginRefusedError).message
    assert PHRASE not in f"{refusal(wrong, LoginRefusedError)!r} {wrong!r}"
    assert says(replace(login, passphrase=Secret(PHRASE))) == "in"


def test_a_key_file_that_is_closed_is_taken_from_the_agent(server: Sshd, tmp_path: Path) -> None:
    """The agent signs for a file with a passphrase, and for a file of the public half alone."""
    folder = server.folder
    open_file = server.key_file("open")
    closed = server.key_file("closed-too", PHRASE)
    public = write_key(folder / "only.pub", replace(server.mine, private=Secret(server.mine.public)))
    with agent_with(tmp_path, open_file) as agent:
        assert says(replace(server.login, identity=closed, agent=agent)) == "in"
        assert says(replace(server.login, identity=public, agent=agent)) == "in"
    assert "has no private one" in refusal(replace(server.login, identity=public), LoginRefusedError).message


def test_key_files_that_are_not_there_not_keys_or_open_to_others_are_said(server: Sshd, tmp_path: Path) -> None:
    """Each has its own words, before anything is shown to the host."""
    gone, folder = tmp_path / "gone", tmp_path / "folder"
    folder.mkdir()
    rubbish = write_key(tmp_path / "rubbish", replace(server.mine, private=Secret("no key at all")))
    too_open = server.key_file("open-to-all")
    too_open.chmod(0o644)
    for path, words in (
        (gone, "there is no key file"),
        (folder, "cannot be read: Is a directory"),
        (rubbish, "is no private key that can be read"),
        (too_open, "can be read by others (mode 0644)"),
    ):
        assert words in refusal(replace(server.login, identity=path), LoginRefusedError).message
    assert refusal(replace(server.login, identity=too_open), LoginRefusedError).hint == f"chmod 600 {too_open}"


def test_the_agent_and_the_default_files_are_tried_in_turn(server: Sshd, tmp_path: Path) -> None:
    """Without a named key, the agent's come first, then those of ~/.ssh; wrong ones do not keep the right one out."""
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    wrong = write_key(tmp_path / "wrong", new_key_pair("wrong"))
    login = replace(server.login, identity=None, home=home)
    with agent_with(tmp_path, wrong) as agent:
        with_both = replace(login, agent=agent)
        assert "(agent)" in refusal(with_both, LoginRefusedError).message
        write_key(home / ".ssh" / "id_ed25519", server.mine)
        assert says(with_both) == "in"
    assert says(login) == "in"
    assert says(replace(login, agent=str(tmp_path / "nobody"))) == "in"


def test_no_key_at_all_says_why_each_was_left_out(server: Sshd, tmp_path: Path) -> None:
    """Nothing to show is an error of its own, with what is in the way."""
    (tmp_path / ".ssh").mkdir()
    login = replace(server.login, identity=None, home=tmp_path)
    assert "no agent has a key, and there is no key file" in refusal(login, LoginRefusedError).message
    write_key(tmp_path / ".ssh" / "id_rsa", server.mine).chmod(0o640)
    assert "id_rsa can be read by others (mode 0640)" in refusal(login, LoginRefusedError).message


def test_too_many_keys_say_that_one_should_be_named(tmp_path: Path) -> None:
    """The host hangs up after some wrong keys; the fix is to name the right one."""
    paths = [write_key(tmp_path / f"key{number}", new_key_pair(str(number))) for number in range(4)]
    with sshd(tmp_path / "sshd", "MaxAuthTries 3") as one, agent_with(tmp_path, *paths) as agent:
        error = refusal(replace(one.login, identity=None, agent=agent), LoginRefusedError)
    assert "hung up after 3 keys" in error.message
    assert "--identity" in (error.hint or "")


def test_a_host_that_takes_no_keys_or_wants_more_is_said(tmp_path: Path) -> None:
    """A login by password only, or by a key and a password, is told from a wrong key."""
    with sshd(tmp_path / "no", "PubkeyAuthentication no", "HostbasedAuthentication yes") as one:
        error = refusal(one.login, LoginRefusedError)
    assert "by hostbased only, not by a key" in error.message
    with sshd(tmp_path / "more", "HostbasedAuthentication yes", "AuthenticationMethods publickey,hostbased") as one:
        assert "wants more than a key" in refusal(one.login, LoginRefusedError).message


def test_a_certificate_beside_the_key_gets_in(tmp_path: Path) -> None:
    """Organisations sign users' keys; the certificate is shown as OpenSSH does, and rubbish in its place is said."""
    authority = write_key(tmp_path / "ca", new_key_pair("ca"))
    (tmp_path / "ca.pub").write_text(keygen("-y", "-f", str(authority)), encoding="utf-8")
    key = new_key_pair("user")
    path = write_key(tmp_path / "key", key)
    (tmp_path / "key.pub").write_text(key.public, encoding="utf-8")
    keygen("-q", "-s", str(authority), "-I", "me", "-n", USER, str(tmp_path / "key.pub"))
    with sshd(tmp_path / "sshd", f"TrustedUserCAKeys {tmp_path}/ca.pub") as one:
        assert says(replace(one.login, identity=path)) == "in"
        (tmp_path / "key-cert.pub").write_text("rubbish", encoding="utf-8")
        assert "is no certificate" in refusal(replace(one.login, identity=path), LoginRefusedError).message


def test_jump_hosts_are_verified_and_logged_in_to_each(server: Sshd, tmp_path: Path) -> None:
    """A host is reached by way of another; the jump host's key is checked as well, and is named when it is wrong."""
    with sshd(tmp_path / "jump") as jump:
        assert says(replace(server.login, jump=jump.login)) == "in"
        assert says(replace(server.login, jump=replace(jump.login, jump=server.login))) == "in"
        wrong = replace(jump.login, trust=Trust())
        assert str(jump.destination) in refusal(replace(server.login, jump=wrong), UnknownHostKeyError).message
        there = replace(server.login, trust=Trust(), jump=jump.login)
        assert str(server.destination) in refusal(there, UnknownHostKeyError).message


def test_what_a_jump_host_cannot_reach_or_forbids_is_said(server: Sshd, tmp_path: Path) -> None:
    """A port where nobody listens, and a jump host that carries nothing, are errors of the jump host."""
    with sshd(tmp_path / "open") as jump:
        nowhere = replace(server.login, destination=replace(server.destination, port=1), jump=jump.login)
        with pytest.raises(UnreachableError, match=r"cannot reach 127\.0\.0\.1:1"):
            connect(nowhere)
    with sshd(tmp_path / "closed", "AllowTcpForwarding no") as jump, pytest.raises(PlexError, match="forbids a tunnel"):
        connect(replace(server.login, jump=jump.login))


def test_a_hang_up_at_a_single_key_is_no_verdict(tmp_path: Path) -> None:
    """The connection may have broken, or the host allows one try only: it is worth another one, and both are said."""
    with sshd(tmp_path, "MaxAuthTries 1") as one, pytest.raises(ConnectionLostError, match="hung up") as caught:
        connect(replace(one.login, identity=new_key_pair("wrong").private))
    assert "a host that allows one try refuses a key like this" in (caught.value.hint or "")


def test_nothing_is_printed_or_logged(
    server: Sshd, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """The log of paramiko stays silent in success and in failure: it has names, keys and tracebacks."""
    assert says(server.login) == "in"
    refusal(replace(server.login, trust=Trust()), UnknownHostKeyError)
    refusal(replace(server.login, identity=new_key_pair("other").private), LoginRefusedError)
    rubbish = server_that(lambda connection: connection.sendall(b"rubbish\n" * 200))
    with rubbish as stranger, pytest.raises(UnreachableError):
        connect(Login(stranger))
    assert caplog.records == []
    assert capfd.readouterr() == ("", "")

from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from plexctl.errors import ConflictError, PlexError, PreflightError, ProviderError, UnhealthyError
from plexctl.model import Endpoint, GpuUse, Ref, Resource
from plexctl.rendering import render, template_names
from plexctl.secret import Secret
from plexctl.states import State
from plexctl_providers._common.on_host.keeping import keys_of
from plexctl_providers._common.on_host.logs import journal_line
from plexctl_providers._common.on_host.looking import Sight, endpoint_of, gpu_of, name_and_id, parse, status_of
from plexctl_providers._common.on_host.places import place_of
from plexctl_providers._common.on_host.refusals import failure_of
from plexctl_providers._common.ssh.destination import Destination
from plexctl_providers._common.ssh.keys import KeyPair

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICN+lJwsONkwrdsSnQsu1ydUkIuIg5oOC+Eslvmtt60T"
LABEL = "plexctl-voice-abc234"
STAGE = "stage 3/9 packages started"
TUNNELLED = Endpoint("http://127.0.0.1:8998", "ws://127.0.0.1:8998/api/chat", "ssh")


@pytest.mark.parametrize(
    ("sight", "state", "words"),
    [
        (Sight(), State.MISSING, "nothing of plexctl"),
        (Sight(LABEL), State.FAILED, "nothing was started"),
        (Sight(LABEL, bootstrap="running"), State.CREATING, "the bootstrap begins"),
        (Sight(LABEL, bootstrap="running", stage=STAGE), State.CREATING, STAGE),
        (Sight(LABEL, bootstrap="running", stage=STAGE, gateway="active"), State.CREATING, STAGE),
        (Sight(LABEL, stage=STAGE), State.FAILED, "cut off"),
        (Sight(LABEL, stage=STAGE, boots="enabled"), State.CREATING, "restarted"),
        (Sight(LABEL, stage="stage 3/9 packages failed: apt", ended=18), State.FAILED, "failed: apt"),
        (Sight(LABEL, ended=0, gateway="active"), State.LOADING, "the gateway runs"),
        (Sight(LABEL, ended=0, gateway="activating"), State.LOADING, "the gateway runs"),
        (Sight(LABEL, ended=0, gateway="failed", said=("no such voice",)), State.FAILED, "no such voice"),
        (Sight(LABEL, ended=0, gateway="a word of tomorrow"), State.FAILED, "does not run"),
        (
            Sight(LABEL, ended=0, gateway="inactive", said=("gateway draining: its time is over", "gateway stopped")),
            State.STOPPED,
            "its time is over",
        ),
        (Sight(LABEL, ended=0, gateway="ended", is_stopped=True), State.STOPPED, "stopped"),
        (Sight(LABEL, stage=STAGE, is_stopped=True), State.STOPPED, "stopped"),
    ],
)
def test_what_a_sight_means(sight: Sight, state: State, words: str) -> None:
    """Each thing that a host can say is one state, with the reason in words."""
    status = status_of(sight, "gpu.example.com")
    assert status.state is state
    assert words in status.detail


@pytest.mark.parametrize(
    ("sight", "endpoint"),
    [
        (Sight(LABEL, port=8998), TUNNELLED),
        (
            Sight(LABEL, port=8998, public="voice.example.com"),
            Endpoint("https://voice.example.com", "wss://voice.example.com/api/chat", "system"),
        ),
        (Sight(LABEL, port=8998, public="ip"), None),
        (Sight(LABEL, port=8998, public="ip", ended=0), Endpoint("https://[::1]", "wss://[::1]/api/chat", "system")),
        (
            Sight(LABEL, port=8998, public="ip", certificate="sha256:ab"),
            Endpoint("https://[::1]", "wss://[::1]/api/chat", "sha256:ab"),
        ),
        (Sight(), None),
    ],
)
def test_where_callers_go(sight: Sight, endpoint: Endpoint | None) -> None:
    """Through ssh unless the host is public; under a bare address once it is known whom to trust there."""
    assert endpoint_of(sight, "::1") == endpoint


def test_what_look_says_is_read_or_refused() -> None:
    """Words and values, several GPUs, what nvidia-smi does not tell; anything else is the provider's error."""
    lines = (f"label {LABEL}", "port 9000", "bootstrap idle", "ended 0", "said one line", "said another")
    sight = parse("\n".join((*lines, "gpu NVIDIA H100, 1, 2, 3, 40")))
    assert (sight.label, sight.port, sight.ended, sight.said) == (LABEL, 9000, 0, ("one line", "another"))
    assert sight.gpus == (GpuUse("NVIDIA H100", 1, 2, 3, 40),)
    assert gpu_of("A, B, [N/A], 2, 3, 4") == GpuUse("A, B", None, 2, 3, 4)
    for nonsense in ("", "<html>", "bootstrap idle\nport x\n", "bootstrap idle\ngpu one, two\n"):
        with pytest.raises(ProviderError):
            parse(nonsense)


@pytest.mark.parametrize(
    ("code", "output", "kind", "words"),
    [
        (14, "plexctl: stage 1/9 system failed: port 8998 is taken", ConflictError, "me@gpu: port 8998 is taken"),
        (26, "plexctl: stage start failed: deployment x is here", ConflictError, "deployment x is here"),
        (13, "plexctl: stage 1/9 system failed: 1 GB are free", PreflightError, "1 GB are free"),
        (1, "cp: cannot create: No space left on device", PreflightError, "No space left on device"),
        (18, "plexctl: stage 3/9 packages failed: apt-get update failed", UnhealthyError, "apt-get update failed"),
        (127, "", UnhealthyError, "ended with 127"),
    ],
)
def test_what_a_script_ends_with(code: int, output: str, kind: type[PlexError], words: str) -> None:
    """Each code is its class, with the script's own reason."""
    error = failure_of(code, output, "me@gpu")
    assert type(error) is kind
    assert error.message.startswith("me@gpu: ")
    assert words in error.message


def test_a_row_of_the_journal_is_a_line_and_where_to_go_on() -> None:
    """The gateway's own time counts, else journald's; bytes that are no text are bytes still; rubbish is refused."""
    row = {"__CURSOR": "s=1", "__REALTIME_TIMESTAMP": "1790000000500000", "MESSAGE": "Started plexctl gateway."}
    cursor, line = journal_line(json.dumps(row))
    assert (cursor, line.text, line.time) == ("s=1", "Started plexctl gateway.", 1790000000.5)
    _, line = journal_line(json.dumps(row | {"MESSAGE": "2026-09-21T10:00:00+00:00 engine 0 is ready"}))
    assert (line.text, line.time) == ("engine 0 is ready", 1789984800.0)
    assert journal_line(json.dumps(row | {"MESSAGE": [104, 105, 255]}))[1].text == "hi\ufffd"
    assert journal_line(json.dumps(row | {"MESSAGE": None}))[1].text == ""
    for rubbish in ("", "[]", "{}", "Hint: you are not in the group", json.dumps(row | {"MESSAGE": {"a": 1}})):
        with pytest.raises(ProviderError):
            journal_line(rubbish)


def test_a_label_has_a_name_and_an_id() -> None:
    """Names may have hyphens; what is no label is nobody's."""
    assert name_and_id("plexctl-my-voice-abc234") == ("my-voice", "abc234")
    for other in ("", "voice", "plexctl-", "plexctl-abc234", "other-voice-abc234"):
        assert name_and_id(other) is None


def test_where_a_deployment_is_stands_in_what_is_recorded() -> None:
    """The files' own detail counts; without any, nothing is known."""
    instance = Resource("instance", LABEL, "1", {"destination": "old@host"})
    files = Resource("host-files", LABEL, "/var/lib/plexctl/bundle", {"destination": "me@host"})
    assert place_of(Ref("ssh", "voice", "abc234", (files, instance)))["destination"] == "me@host"
    assert place_of(Ref("ssh", "voice", "abc234", (instance,)))["destination"] == "old@host"
    assert place_of(Ref("ssh", "voice", "abc234", (Resource("ssh-key", "x", "1"),))) == {}


def test_keys_are_for_their_owner_alone(tmp_path: Path) -> None:
    """Folder 0700 and files 0600; a half that is missing is no pair; removed twice is removed."""
    keys = keys_of(tmp_path / "home", "abc234")
    assert (keys.pair(), keys.host_pair(), keys.pins()) == (None, None, ())
    pair = KeyPair(Secret("-----BEGIN OPENSSH PRIVATE KEY-----\n"), f"{KEY} plexctl")
    keys.keep_pair(pair)
    keys.keep_host_pair(pair)
    assert (keys.pair(), keys.host_pair(), keys.pins()) == (pair, pair, (KEY,))
    assert keys.known_hosts(Destination("gpu", 2222)).read_text() == f"[gpu]:2222 {KEY}\n"
    modes = {stat.S_IMODE(path.stat().st_mode) for path in keys.folder.iterdir()}
    assert (stat.S_IMODE(keys.folder.stat().st_mode), modes) == (0o700, {0o600})
    keys.forget_host_pair()
    assert (keys.host_pair(), keys.pins()) == (None, (KEY,))
    (keys.folder / "key.pub").unlink()
    assert keys.pair() is None
    keys.remove()
    keys.remove()
    assert not keys.folder.exists()


@pytest.mark.parametrize("name", [name for name in template_names() if name.startswith("host/on_host/")])
def test_shellcheck_finds_nothing_in_what_runs_on_a_host(name: str, tmp_path: Path) -> None:
    """Every script of plexctl's is clean, and leaves its own standard input, on which it comes, alone."""
    text = render(name, {})
    script = tmp_path / "script.sh"
    script.write_text("#!/usr/bin/env bash\n# shellcheck disable=SC2329,SC2034\n" + text, encoding="utf-8")
    tool = Path(sys.executable).with_name("shellcheck")
    done = subprocess.run([tool, script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    assert "</dev/null" in text

"""What each command does when all is well: its document, its words, and what it changes."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.process import Plexctl, environ_of, plexctl_in
from tests.cli.schemas import DATA, LOG_LINE, PROBE, check, check_streamed

from plexctl.cli.table import COMMANDS
from plexctl.layers import spec_keys
from plexctl.voice import Recording

LOCAL = ("-p", "local", "--engine", "echo")
TALK = ("--seconds", "1s")


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plexctl]:
    """Give two deployments side by side, `one` and `two`; tests leave them as they are."""
    with plexctl_in(tmp_path_factory.mktemp("commands") / "plexctl") as cli:
        cli.deploy("--name", "one", "--secret", "KEY", "--env", "COLOUR=blue", env={"KEY": "value-of-key"})
        cli.deploy("--name", "two", "--env", "PLEXCTL_ECHO_FAULT=mute")
        yield cli


def log_of(cli: Plexctl, name: str) -> Path:
    """Return a deployment's log file."""
    return next((cli.home / "local").glob(f"plexctl-{name}-*")) / "gateway.log"


def everything_in(folder: Path) -> dict[str, bytes]:
    """Return all files by name, but the shared memory of SQLite, which readers touch."""
    paths = (path for path in folder.rglob("*") if path.is_file() and not path.name.endswith("-shm"))
    return {str(path): path.read_bytes() for path in paths}


def test_every_command_has_a_schema() -> None:
    """No command is without the promise of its document."""
    assert set(COMMANDS) <= set(DATA)


def test_life_of_a_deployment(plexctl: Plexctl) -> None:
    """Deploy, again, status, probe, stop, again, start, destroy: each says in its document what became true."""
    deployed = check(plexctl.ok("deploy", *LOCAL, "--ttl", "1h", "--json").document)
    assert (deployed["deployment"]["state"], deployed["changed"]) == ("ready", True)
    assert deployed["probe"]["verdict"] == "talking"
    again = check(plexctl.ok("deploy", *LOCAL, "--ttl", "1h", "--no-probe", "--timeout", "90s", "--json").document)
    assert (again["deployment"], again["changed"]) == (deployed["deployment"], False)
    assert "runs already as asked for: no change" in plexctl.ok("deploy", *LOCAL, "--ttl", "1h", "--no-probe").stdout
    (shown,) = check(plexctl.ok("status", "personaplex", "--json").document)["deployments"]
    assert (shown["state"], shown["busy"], shown["endpoint"]) == ("ready", 0, deployed["endpoint"])
    assert shown["expires_at"] > shown["created_at"]
    assert check(plexctl.ok("probe", *TALK, "--json").document)["verdict"] == "talking"
    assert check(plexctl.ok("stop", "--json").document)["changed"]
    assert plexctl.processes() == []
    assert not check(plexctl.ok("stop", "--json").document)["changed"]
    assert check(plexctl.ok("list", "--json").document)["deployments"][0]["state"] == "stopped"
    started = check(plexctl.ok("start", "--json").document)
    assert (started["changed"], started["deployment"]["endpoint"]) == (True, deployed["endpoint"])
    assert not check(plexctl.ok("start", "--json").document)["changed"]
    removed = check(plexctl.ok("destroy", "--yes", "--json").document)["removed"]
    assert [resource["kind"] for resource in removed] == ["process"]
    assert check(plexctl.ok("list", "--json").document)["deployments"] == []
    assert plexctl.processes() == []


def test_a_lost_journal_leaves_nothing_running(plexctl: Plexctl) -> None:
    """What nobody knows any more is young, since its age is not told; said to be an orphan, it is ended."""
    plexctl.deploy()
    for file in plexctl.home.glob("journal.db*"):
        file.unlink()
    found = plexctl("gc", "--json")
    assert (found.rc, [one["name"] for one in found.data["young"]]) == (13, ["personaplex"])
    ended = check(plexctl.ok("gc", "--delete", "--young", "--yes", "--json").document)
    assert [one["name"] for one in ended["deleted"]] == ["personaplex"]
    assert plexctl.processes() == []
    assert check(plexctl.ok("gc", "--json").document)["orphans"] == []
    assert "nothing is there that is not as recorded" in plexctl.ok("gc").stdout


def test_version_and_help_are_documents_too(plexctl: Plexctl) -> None:
    """`--version` and `--help` answer in lines, and with --json, before or after, in one document."""
    version = check(plexctl.ok("--version", "--json").document)["version"]
    assert plexctl.ok("--version").stdout == f"plexctl {version}\n"
    for argv in (("--help",), *((name, "--help") for name in COMMANDS)):
        assert check(plexctl.ok(*argv, "--json").document)["help"] == plexctl.ok(*argv).stdout
    assert plexctl.ok().stdout == plexctl.ok("--help").stdout


def test_json_counts_before_the_command(plexctl: Plexctl) -> None:
    """`plexctl --json list` is `plexctl list --json`."""
    assert plexctl.ok("--json", "list").document == plexctl.ok("list", "--json").document


def test_init_writes_a_file_that_deploy_reads(plexctl: Plexctl) -> None:
    """What `init` writes is valid, deploys as it is, and the environment and the flags win over it, in that order."""
    check(plexctl.ok("init", "--json").document)
    file = plexctl.work / "plexctl.toml"
    assert tomllib.loads(file.read_text()) == {"provider": "local"} | {
        key.partition(".")[0]: {} for key in spec_keys() if "." in key
    }
    file.write_text("provider = 'local'\nengine = 'echo'\nname = 'from-file'\n[gateway]\nvoice = 'NATF1.pt'\n")
    env = {"PLEXCTL_NAME": "from-environment", "PLEXCTL_VOICE": "NATF2.pt"}
    planned = check(plexctl.ok("deploy", "--dry-run", "--voice", "NATF3.pt", "--json", env=env).document)
    settings = planned["resources"][0]["body"]["environment"]
    assert (settings["PLEXCTL_DEPLOYMENT"], settings["PLEXCTL_VOICE"]) == ("from-environment", "NATF3.pt")
    schema = check(plexctl.ok("init", "--schema", "--json").document)["json_schema"]
    assert schema["$defs"]["Spec"]["additionalProperties"] is False


def test_dry_run_of_deploy_touches_nothing(plexctl: Plexctl) -> None:
    """`deploy --dry-run` prints the plan, and not even plexctl's folder is made."""
    check(plexctl.ok("deploy", *LOCAL, "--dry-run", "--json").document)
    assert "nothing was done" in plexctl.ok("deploy", *LOCAL, "--dry-run").stdout
    assert not plexctl.home.exists()


@pytest.mark.parametrize("command", ["deploy", "stop", "destroy"])
def test_dry_run_changes_nothing(two: Plexctl, command: str) -> None:
    """`--dry-run` of each mutating command leaves journal, folders and processes as they were."""
    before = everything_in(two.home), two.processes()
    argv = (command, *LOCAL, "--name", "one") if command == "deploy" else (command, "one")
    check(two.ok(*argv, "--dry-run", "--json", env={"KEY": "value-of-key"}).document)
    two.ok(*argv, "--dry-run", env={"KEY": "value-of-key"})
    assert (everything_in(two.home), two.processes()) == before


def test_two_deployments_side_by_side(two: Plexctl) -> None:
    """Two names have two ports, are listed by name, and each is shown alone when named."""
    listed = check(two.ok("list", "--json").document)["deployments"]
    assert [(entry["name"], entry["state"]) for entry in listed] == [("one", "ready"), ("two", "ready")]
    assert listed[0]["endpoint"]["url"] != listed[1]["endpoint"]["url"]
    (alone,) = check(two.ok("status", "two", "--json").document)["deployments"]
    assert alone["endpoint"] == listed[1]["endpoint"]
    lines = two.ok("list").stdout.splitlines()
    assert lines[0].split() == ["NAME", "PROVIDER", "STATE", "ENDPOINT", "USD/HOUR"]
    assert lines[1].split()[:3] == ["one", "local", "ready"]
    assert "two on local: ready" in two.ok("status").stdout


def test_env_and_secret_reach_the_engine(two: Plexctl) -> None:
    """--env and --secret are in the environment of gateway and engine; a fault asked for by --env happens."""
    with_secret = [pid for pid in two.processes() if b"KEY=value-of-key" in environ_of(pid).split(b"\0")]
    assert len(with_secret) == 2
    assert all(b"COLOUR=blue" in environ_of(pid).split(b"\0") for pid in with_secret)
    mute = two("probe", "two", "--handshake-timeout", "1s", "--json")
    assert (mute.rc, mute.document["data"]["verdict"]) == (9, "silent")


def test_logs_tail_and_since(two: Plexctl) -> None:
    """--tail gives the last lines, --since those from then on, and both are the end of all."""
    everything = check(two.ok("logs", "one", "--json").document)["lines"]
    assert any("engine-0 is ready" in line["text"] for line in everything)
    assert check(two.ok("logs", "one", "--tail", "2", "--json").document)["lines"] == everything[-2:]
    assert check(two.ok("logs", "one", "--tail", "0", "--json").document)["lines"] == []
    assert check(two.ok("logs", "one", "--since", "1h", "--json").document)["lines"] == everything
    moment = everything[-1]["time"]
    later = [line for line in everything if line["time"] >= moment]
    assert check(two.ok("logs", "one", "--since", moment, "--json").document)["lines"] == later
    assert check(two.ok("logs", "one", "--since", "2040-01-01", "--json").document)["lines"] == []
    assert len(two.ok("logs", "one", "--tail", "3").stdout.splitlines()) == 3


def test_logs_follow_ends_with_the_deployment(plexctl: Plexctl) -> None:
    """`logs --follow --json` gives one document a line as lines come, and ends when the deployment stops."""
    plexctl.deploy()
    with plexctl.begin("logs", "--follow", "--json") as follower:
        assert follower.stdout is not None
        first = check_streamed(follower.stdout.readline(), LOG_LINE)
        plexctl.ok("stop")
        rest = [check_streamed(line, LOG_LINE) for line in follower.stdout]
        assert follower.wait(20) == 0
    assert "gateway" in first["text"]
    assert "stopped" in rest[-1]["text"]


def test_control_characters_are_shown_not_sent(plexctl: Plexctl) -> None:
    """What a server prints cannot drive a terminal: control characters are escaped in lines and documents."""
    plexctl.deploy()
    with log_of(plexctl, "personaplex").open("ab") as log:
        log.write(b"title \x1b]0;evil\x07 back\x08space \xc2\x9b31m \xff\n")
    shown = plexctl.ok("logs", "--tail", "1").stdout
    assert shown.startswith("title ")
    assert all(sign == "\n" or sign.isprintable() for sign in shown)
    assert all(" " <= sign <= "~" or sign == "\n" for sign in plexctl.ok("logs", "--json").stdout)


def test_probe_saves_what_it_heard(two: Plexctl) -> None:
    """`probe --save` writes an Ogg/Opus file that begins with its headers and holds the sound heard."""
    data = check(two.ok("probe", "one", *TALK, "--save", "heard.opus", "--json").document)
    content = (two.work / "heard.opus").read_bytes()
    assert content[:4] == b"OggS"
    assert content[28:36] == b"OpusHead"
    assert b"OpusTags" in content[:200]
    assert Recording.from_ogg(content).duration_s == pytest.approx(data["audio"]["heard_s"], abs=0.1)


def test_probe_watches_until_interrupted(two: Plexctl) -> None:
    """`probe --watch --json` gives one document a round, and Ctrl-C ends it with 130."""
    with two.begin("probe", "one", *TALK, "--watch", "1s", "--json") as watcher:
        assert watcher.stdout is not None
        rounds = [check_streamed(watcher.stdout.readline(), PROBE) for _ in range(2)]
        watcher.send_signal(signal.SIGINT)
        watcher.communicate(timeout=20)
    assert [one["verdict"] for one in rounds] == ["talking", "talking"]
    assert watcher.returncode == 130


def test_a_reader_that_leaves_is_no_failure(plexctl: Plexctl) -> None:
    """`plexctl logs | head -1` ends with 0 and without a word on stderr."""
    plexctl.deploy()
    with log_of(plexctl, "personaplex").open("ab") as log:
        log.write(b"a line that fills the pipe\n" * 20_000)
    with plexctl.begin("logs") as logs:
        assert logs.stdout is not None
        assert logs.stderr is not None
        logs.stdout.readline()
        logs.stdout.close()
        assert (logs.wait(20), logs.stderr.read()) == (0, "")


def on_terminal(cli: Plexctl, *argv: str, typed: bytes = b"", env: dict[str, str] | None = None) -> tuple[int, str]:
    """Run plexctl on a terminal of its own; return its code and all that the terminal got."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "plexctl", *argv],
        env=cli.environment({"TERM": "xterm-256color", **(env or {})}),
        cwd=cli.work,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    os.write(ours, typed)
    shown = b""
    while True:
        try:
            shown += os.read(ours, 65536)
        except OSError:  # Linux says EIO when the other end is closed.
            break
    os.close(ours)
    return process.wait(30), shown.decode()


def test_no_color_is_obeyed(two: Plexctl) -> None:
    """On a terminal the table may be styled; with NO_COLOR no colour is sent; without a terminal nothing is."""
    code, shown = on_terminal(two, "list", env={"NO_COLOR": "1"})
    assert code == 0
    assert "one" in shown
    assert "\x1b[3" not in shown
    assert "\x1b" not in two.ok("list").stdout


def test_destroy_asks_on_a_terminal(two: Plexctl) -> None:
    """On a terminal `destroy` asks, and anything but yes changes nothing."""
    code, shown = on_terminal(two, "destroy", "one", typed=b"n\n")
    assert code == 2
    assert "remove one and everything that belongs to it? [y/N]" in shown
    assert "nothing was changed" in shown
    assert check(two.ok("status", "one", "--json").document)["deployments"][0]["state"] == "ready"

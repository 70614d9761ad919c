"""Secrets stay where they belong: canaries by environment, file and flag, through all commands, well and failing."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from tests.cli.process import Plexctl, argv_of, environ_of

TOKEN, HUB, BY_ENVIRONMENT, BY_FILE, BY_FLAG = (
    f"canary-{kind}-7f3a" for kind in ("token", "hub", "env", "file", "flag")
)
CANARY = b"canary-"
SURROUNDINGS = {"PLEXCTL_TOKEN": TOKEN, "HF_TOKEN": HUB, "KEY": BY_ENVIRONMENT}
DEPLOY = ("deploy", "-p", "local", "--engine", "echo", "--no-probe")
SECRETS = ("--secret", "KEY", "--secret", "FILED=@filed", "--secret", "HF_TOKEN")
FAILING = ("--env", "PLEXCTL_ECHO_FAULT=oom")


@dataclass
class Watch:
    """Looks at every process and every file of a home, over and over, for what should not be there."""

    cli: Plexctl
    seen: set[str] = field(default_factory=set)
    looks: int = 0

    def look(self) -> None:
        """Look once."""
        self.looks += 1
        for pid in self.cli.processes():
            argv = argv_of(pid)
            # The user's own command line is the user's; nobody below it may carry what it says.
            if CANARY in argv and b"\0-m\0plexctl\0" not in argv:
                self.seen.add(f"argv {argv!r}")
        for path in self.cli.home.rglob("*"):
            try:
                content = path.read_bytes()
            except OSError:
                continue
            if CANARY in content or CANARY.decode() in path.name:
                self.seen.add(f"file {path}")


@contextmanager
def watching(cli: Plexctl) -> Iterator[Watch]:
    """Look all the time while the block runs, and assert that nothing was seen."""
    watch, is_over = Watch(cli), threading.Event()

    def go_on() -> None:
        while not is_over.wait(0.01):
            watch.look()

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield watch
    finally:
        is_over.set()
        thread.join()
    watch.look()
    assert watch.looks > 10
    assert watch.seen == set()


def run(cli: Plexctl, expected: int, *argv: str, without: str = "", env: dict[str, str] | None = None) -> None:
    """Run in both modes with all canaries set; assert the code, and that no output names one."""
    surroundings = {name: value for name, value in SURROUNDINGS.items() if name != without} | (env or {})
    for mode in ((), ("--json",)):
        result = cli(argv[0], *mode, *argv[1:], env=surroundings)
        assert result.rc == expected, f"{argv}: {result.stderr}{result.stdout}"
        assert CANARY.decode() not in result.stdout + result.stderr, argv


@pytest.fixture
def cli(plexctl: Plexctl) -> Plexctl:
    """Give a clean home with a secret in a file beside it."""
    (plexctl.work / "filed").write_text(BY_FILE + "\n")
    (plexctl.work / "token").write_text(TOKEN)
    return plexctl


def test_canaries_through_the_life_of_a_deployment(cli: Plexctl) -> None:
    """No output, file, journal, log or child's command line holds a secret, from deploy to destroy."""
    with watching(cli):
        run(cli, 0, *DEPLOY, *SECRETS, "--dry-run")
        run(cli, 0, *DEPLOY, *SECRETS)
        run(cli, 0, *DEPLOY, *SECRETS, "--token-file", "token", without="PLEXCTL_TOKEN")
        for argv in (("list",), ("status",), ("logs",), ("stop", "--dry-run"), ("destroy", "--dry-run")):
            run(cli, 0, *argv)
        run(cli, 0, "probe", "--seconds", "1s")
        run(cli, 0, "probe", "--level", "upgrade", "--token", TOKEN, without="PLEXCTL_TOKEN")
        run(cli, 0, "probe", "--level", "upgrade", "--token-file", "token", without="PLEXCTL_TOKEN")
        run(cli, 4, "probe", "--level", "upgrade", "--token", BY_FLAG)
        run(cli, 4, "probe", "--level", "upgrade", without="PLEXCTL_TOKEN")
        run(cli, 2, *DEPLOY, *SECRETS, "--port", "65000")
        run(cli, 0, "stop")
        run(cli, 3, "start", "--secret", "FILED=@filed", without="KEY")
        run(cli, 3, "start", without="PLEXCTL_TOKEN")
        run(cli, 0, "start", "--secret", "FILED=@filed")
        cli.ok("destroy", "--yes", env=SURROUNDINGS)
        run(cli, 10, "destroy", "--yes")


def test_canaries_through_failures(cli: Plexctl) -> None:
    """A deploy that fails, a wrong command line and an endpoint that is not there repeat no secret either."""
    with watching(cli):
        run(cli, 9, *DEPLOY, *SECRETS, *FAILING)
        run(cli, 2, *DEPLOY, "--secret", f"KEY={BY_FLAG}")
        run(cli, 2, *DEPLOY, "--secret", "KEY", BY_FLAG)
        run(cli, 2, *DEPLOY, "--secret", f"a b {BY_FLAG}")
        run(cli, 2, *DEPLOY, f"--token={BY_FLAG}")
        run(cli, 3, *DEPLOY, "--env", f"PLEXCTL_TOKEN={BY_FLAG}")
        run(cli, 3, "status", env={"PLEXCTL_TOKEN": f"{TOKEN} and more"})
        run(cli, 3, *DEPLOY, env={"PLEXCTL_HOME": "", "HOME": "/dev/null"})
        run(cli, 9, "probe", "http://127.0.0.1:1", "--token", BY_FLAG)
        for url in (f"https://u:{BY_FLAG}@h/", f"https://127.0.0.1/?token={BY_FLAG}", f"https://?token={BY_FLAG}"):
            run(cli, 2, "probe", url)


def test_canaries_when_plexctl_has_a_bug(cli: Plexctl) -> None:
    """An error that nobody foresaw is told by type and place: its text, which may hold a secret, is not shown."""
    info = cli.work / "leaky-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: leaky\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[plexctl.providers]\nleaky = leaky:Leaky\n")
    (cli.work / "leaky.py").write_text(
        "class Leaky:\n    def __init__(self, context):\n"
        "        try:\n            raise ValueError(context.environment['KEY'])\n"
        "        except ValueError as error:\n            raise RuntimeError(context.environment['KEY']) from error\n"
    )
    run(cli, 1, "deploy", "-p", "leaky", env={"PYTHONPATH": str(cli.work)})
    result = cli("deploy", "-p", "leaky", env=SURROUNDINGS | {"PYTHONPATH": str(cli.work)})
    assert "error: RuntimeError at leaky.py:6\n" in result.stderr


def answer(url: str, token: str | None) -> tuple[int, bytes]:
    """Return status and body of a GET."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as response:  # noqa: S310
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_gateway_with_a_token_refuses_who_has_none(cli: Plexctl) -> None:
    """A deployment made with PLEXCTL_TOKEN serves its holder only, shows it nowhere, and hides it from the engine."""
    url = cli.deploy(*SECRETS, env=SURROUNDINGS)["endpoint"]["url"]
    for path in ("/metrics", "/logs", "/api/chat", "/ws/chat"):
        for wrong in (None, TOKEN[:-1], TOKEN + "x"):
            assert (path, answer(url + path, wrong)[0]) == (path, 401)
    for path in ("/livez", "/health", "/voices", "/metrics", "/logs"):
        status, body = answer(url + path, TOKEN)
        assert status == 200
        assert CANARY not in body
    mark = f"PLEXCTL_TOKEN={TOKEN}".encode()
    holders = [argv_of(pid) for pid in cli.processes() if mark in environ_of(pid)]
    assert [argv.rpartition(b"-m\0")[2] for argv in holders] == [b"plexctl.gateway\0"]


def test_secrets_reach_the_engine_and_only_what_was_named(cli: Plexctl) -> None:
    """The engine gets the secrets that were named, and nothing else of the user's environment."""
    cli.deploy("--secret", "FILED=@filed", env={"KEY": BY_ENVIRONMENT, "AWS_SECRET_ACCESS_KEY": BY_ENVIRONMENT})
    (engine,) = [pid for pid in cli.processes() if b"engines.echo" in argv_of(pid)]
    environment = environ_of(engine)
    assert f"FILED={BY_FILE}".encode() in environment.split(b"\0")
    assert BY_ENVIRONMENT.encode() not in environment

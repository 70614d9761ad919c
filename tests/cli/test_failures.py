"""Every failure through the real process: its exit code, its words, one JSON document, nothing left."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.cli.failures import COMMAND_LINE, DEPLOY, ENGINES, LEFTOVERS, NEVER_SHOWN, PROBES, SETTINGS, UNKNOWN, Row
from tests.cli.process import Plexctl, Result, plexctl_in

from plexctl import errors

PLAIN = (*COMMAND_LINE, *SETTINGS, *LEFTOVERS, *UNKNOWN, *PROBES)
REPLACED = f"{DEPLOY} --port 65000"
DEPLOYED = (
    Row("logs", 2, "usage", "which one? There are one, two|name it"),
    Row("destroy one", 2, "usage", "remove one|without a terminal|--yes"),
    Row(f"{REPLACED} --name one", 2, "usage", "one runs with another spec|replace it|--yes"),
    Row(f"{DEPLOY} --name six --port {{port}}", 11, "conflict", "127.0.0.1:{port}|Address already in use|--port"),
    Row("start two", 3, "configuration", "the secret KEY is not set|--secret KEY=@FILE"),
    Row("status oen", 10, "not_found", "no deployment named 'oen'; did you mean 'one'?"),
    Row("probe one --token wrong", 4, "credentials", "unauthorized|HTTP 401|PLEXCTL_TOKEN", reports=True),
    Row("probe https://127.0.0.1:{port}", 9, "unhealthy", "not in TLS|http://127.0.0.1:{port}", reports=True),
    Row("probe two", 9, "unhealthy", "two is stopped|plexctl start two"),
    Row("open two", 9, "unhealthy", "two is stopped|plexctl start two"),
    Row("ssh one", 10, "not_found", "one is on local, which gives no host to log in to"),
    Row("scale one --min 1", 2, "usage", "local does not scale|modal, cloudrun"),
    Row("logs one --since tomorrow", 2, "usage", "--since 'tomorrow' is no time|10m"),
    Row(
        "probe one --level upgrade --token right --save none/x",
        3,
        "configuration",
        "cannot write none/x|no such folder",
    ),
)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Plexctl, Plexctl]]:
    """Give two clean homes, so that both modes of a failure can run at the same time."""
    with plexctl_in(tmp_path / "human") as human, plexctl_in(tmp_path / "json") as machine:
        yield human, machine


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Plexctl, dict[str, str]]]:
    """Give two deployments: `one` runs with a token, `two` is stopped and lacks its secret."""
    with plexctl_in(tmp_path_factory.mktemp("failures") / "plexctl") as one:
        data = one.deploy("--name", "one", env={"PLEXCTL_TOKEN": "right"})
        one.deploy("--name", "two", "--secret", "KEY", env={"KEY": NEVER_SHOWN})
        one.ok("stop", "two")
        yield one, {"port": data["endpoint"]["url"].rpartition(":")[2]}


def in_json(argv: list[str]) -> list[str]:
    """Return the command line with --json where no flag can take it for its value."""
    return [argv[0], "--json", *argv[1:]]


def name_of(row: Row) -> str:
    """Name a row in the report."""
    return f"{row.exit_code}-{row.typed[-60:]}"


def run(one: Plexctl, row: Row, argv: list[str]) -> Result:
    """Set up and run."""
    for name, content in row.files.items():
        (one.work / name).write_bytes(content)
    if row.prepare:
        row.prepare(one)
    return one(*argv, env=row.env)


def in_any_home(text: str) -> str:
    """Return the text without what differs between two homes: the folder and the deployment's id."""
    return re.sub(r"/(human|json)/|-[a-z2-9]{6}(?=/lock)", "", text)


def check(row: Row, words: list[str], human: Result, machine: Result) -> None:
    """Assert that both modes say the same, once, in words and in a document."""
    error = machine.document["error"]
    assert (human.rc, machine.rc, error["code"]) == (row.exit_code, row.exit_code, row.code), human.stderr
    said = f"{error['message']}\n{error['hint']}"
    for word in words:
        assert word in said
    lines = in_any_home(human.stderr).splitlines()
    assert [line for line in lines if line.startswith("error: ")] == [f"error: {in_any_home(error['message'])}"]
    fixes = [f"  fix: {in_any_home(error['hint'])}"] if error["hint"] else []
    assert [line for line in lines if line.startswith("  fix: ")] == fixes
    assert not human.stdout or row.reports
    assert NEVER_SHOWN not in human.stdout + human.stderr + machine.stdout + machine.stderr


@pytest.mark.parametrize("row", PLAIN, ids=name_of)
def test_failure(row: Row, pair: tuple[Plexctl, Plexctl]) -> None:
    """A failure has its exit code and one line that names the thing, and says the same in one JSON document."""
    human, machine = pair
    with ThreadPoolExecutor() as pool:
        first = pool.submit(run, human, row, row.argv)
        second = pool.submit(run, machine, row, in_json(row.argv))
    check(row, row.words.split("|"), first.result(), second.result())


@pytest.mark.parametrize("row", ENGINES, ids=name_of)
def test_deploy_that_fails_leaves_nothing(row: Row, pair: tuple[Plexctl, Plexctl]) -> None:
    """A server that does not come up ends with the reason in words, and neither record, folder nor process is left."""
    human, machine = pair
    with ThreadPoolExecutor() as pool:
        first = pool.submit(run, human, row, row.argv)
        second = pool.submit(run, machine, row, in_json(row.argv))
    check(row, row.words.split("|"), first.result(), second.result())
    for one in pair:
        assert one.ok("list", "--json").data == {"deployments": []}
        assert list((one.home / "local").iterdir()) == []
        assert one.processes() == []


@pytest.mark.parametrize("row", DEPLOYED, ids=name_of)
def test_failure_beside_deployments(row: Row, deployed: tuple[Plexctl, dict[str, str]]) -> None:
    """What goes wrong around deployments that exist is said, and they stay as they are."""
    one, known = deployed
    argv = [word.format(**known) for word in row.argv]
    before = states(one)
    human, machine = run(one, row, argv), run(one, row, in_json(argv))
    check(row, row.words.format(**known).split("|"), human, machine)
    assert states(one) == before == {"one": "ready", "two": "stopped"}


def test_no_command_in_json(plexctl: Plexctl) -> None:
    """`--json` alone asks for a document of nothing: that is a usage error, in a document."""
    result = plexctl("--json")
    assert (result.rc, result.document["error"]["message"]) == (2, "which command?")


def test_every_reachable_exit_code_is_in_the_table() -> None:
    """Each exit code has a row, but the one that needs a hub, and Ctrl-C, which has a test of its own."""
    shown = {row.exit_code for row in (*PLAIN, *ENGINES, *DEPLOYED)}
    need_a_cloud = {errors.LicenceError.exit_code}
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.PlexError)]
    all_codes = {kind.exit_code for kind in kinds}
    assert shown == all_codes - need_a_cloud - {errors.InterruptedByUser.exit_code}


def test_ctrl_c_leaves_nothing_and_says_so(plexctl: Plexctl) -> None:
    """SIGINT in the middle of a deploy exits 130, says that nothing is left, and nothing is."""
    argv = [*DEPLOY.split(), "--env", "PLEXCTL_ECHO_LOAD_S=60", "--json"]
    with plexctl.begin(*argv) as process:
        assert process.stderr is not None
        assert process.stdout is not None
        next(line for line in process.stderr if "loading" in line)
        process.send_signal(signal.SIGINT)
        document = json.load(process.stdout)
        process.stderr.read()
    assert (process.returncode, document["error"]["exit_code"]) == (130, 130)
    assert document["error"]["message"] == "interrupted; nothing of it is left"
    assert plexctl.processes() == []
    assert plexctl.ok("list", "--json").data == {"deployments": []}


def states(one: Plexctl) -> dict[str, str]:
    """Return the state of each deployment by name."""
    return {entry["name"]: entry["state"] for entry in one.ok("list", "--json").data["deployments"]}

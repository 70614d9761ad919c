"""What stands around the fetch: its request, its process, the engine that comes after, /health, and the marker."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.weights.world import COMMIT

from plexctl.flows.health import parse_health
from plexctl.gateway.engines import engine_named, upstream
from plexctl.gateway.health import CAUSES, Download, EngineHealth, document
from plexctl.gateway.settings import EngineSettings, Settings
from plexctl.gateway.weights.cache import Cache
from plexctl.gateway.weights.child import command, health_of, skipped
from plexctl.gateway.weights.errors import Cause
from plexctl.gateway.weights.messages import Progress
from plexctl.gateway.weights.request import DEFAULT_REPO, NAMES, request_in

GB = 10**9
TOTAL = int(17.2 * GB)


def settings(**variables: str) -> EngineSettings:
    """Return a PersonaPlex engine's settings."""
    base = {"PLEXCTL_ENGINE": "personaplex", "PLEXCTL_ENGINE_PYTHON": "/bin/sh", "PLEXCTL_TOKEN": "canary"}
    return Settings.from_environment(base | variables).engine


def test_the_request_has_defaults() -> None:
    """The model is NVIDIA's, the revision the newest, the folder huggingface_hub's."""
    request = request_in({"HF_HOME": "/cache"})
    assert (request.repo, request.revision, request.branch) == (DEFAULT_REPO, "", "main")
    assert request.cache == Path("/cache/hub")
    assert request.patience_s == 120


def test_the_fetching_process_has_its_secrets_in_its_environment_only() -> None:
    """The gateway's own token stays with the gateway; the hub's is passed on, and never in the command line."""
    run = command(settings(HF_TOKEN="hf_canary", PLEXCTL_MODEL_REPO="me/mine", PLEXCTL_HUB_PATIENCE_S="7"))
    assert run.argv == (sys.executable, "-m", "plexctl.gateway.weights")
    assert run.environment["HF_TOKEN"] == "hf_canary"
    assert run.environment["PLEXCTL_HUB_PATIENCE_S"] == "7.0"
    assert "PLEXCTL_TOKEN" not in run.environment


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({}, None),
        ({"HF_HUB_OFFLINE": "0"}, None),
        ({"HF_HUB_OFFLINE": "True"}, "HF_HUB_OFFLINE"),
        ({"PLEXCTL_ENGINE_SCRIPT": __file__}, "another server"),
    ],
)
def test_where_nothing_is_fetched(variables: dict[str, str], words: str | None) -> None:
    """Offline by request, or for a server of which nobody knows what it reads."""
    why = skipped(settings(**variables))
    assert (why is None) is (words is None)
    assert words is None or words in (why or "")


def test_the_engine_gets_the_commit() -> None:
    """A revision is the launcher's first argument; without one, and for another script, there is none."""
    argv = engine_named("personaplex").command(settings(PLEXCTL_MODEL_REVISION=COMMIT), 1).argv
    assert argv[2:4] == (f"--revision={COMMIT}", "--host")
    assert "--revision" not in " ".join(engine_named("personaplex").command(settings(), 1).argv)


@pytest.mark.parametrize("call", ["hub.hf_hub_download('a/b', 'c')", "hub.hf_hub_download('a/b', filename='c')"])
def test_the_launcher_reads_every_file_at_its_revision(tmp_path: Path, call: str) -> None:
    """Upstream names no revision, by position or by name; one that is named is left alone."""
    (tmp_path / "huggingface_hub.py").write_text(
        "def hf_hub_download(*given, **named): print(given, sorted(named.items()))\n"
    )
    package = tmp_path / "moshi"
    package.mkdir()
    (package / "__init__.py").touch()
    named = "hub.hf_hub_download('a/b', 'c', revision='d')"
    (package / "server.py").write_text(f"import sys, huggingface_hub as hub\n{call}\n{named}\nprint(sys.argv[1:])\n")
    with subprocess.Popen(
        [sys.executable, upstream.__file__, "--revision=abc", "--port", "1"],
        env={"PYTHONPATH": f"{tmp_path}:{':'.join(path for path in sys.path if 'site-packages' in path)}"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        lines = process.stdout.read().splitlines()
    assert "('revision', 'abc')" in lines[0]
    assert "('revision', 'd')" in lines[1]
    assert lines[2] == "['--port', '1']"


def test_health_has_the_download_and_the_cli_reads_it() -> None:
    """What `/health` says of a download comes out as the progress line; older gateways say less, and are read too."""
    health = health_of(
        Progress("weights: 5.1 of 17.2 GB, 240 MB/s, 50 s left", int(5.1 * GB), TOTAL, 240_000_000, 50.4)
    )
    body = document(health, engines=1, busy=0, capacity=0, version="1", deployment="d")
    parsed = parse_health(json.dumps(body).encode())
    assert parsed is not None
    assert parsed.in_words() == "weights: 5.1 of 17.2 GB, 240 MB/s, 50 s left (30%)"
    assert (parsed.bytes_done, parsed.bytes_total) == (int(5.1 * GB), TOTAL)
    for name in ("cause", "bytes_done", "bytes_total", "bytes_per_second", "seconds_left"):
        del body[name]
    older = parse_health(json.dumps(body).encode())
    assert older is not None
    assert (older.cause, older.bytes_total, older.seconds_left) == (None, None, None)
    loading = parse_health(
        json.dumps(
            document(EngineHealth("loading", "model", 0.5), engines=1, busy=0, capacity=0, version="1", deployment="d")
        ).encode()
    )
    assert loading is not None
    assert loading.in_words() == "model 50%"
    assert EngineHealth().download == Download()
    assert {str(cause) for cause in Cause} <= set(CAUSES)


def test_a_marker_is_believed_only_while_nothing_has_changed(tmp_path: Path) -> None:
    """Another size, another time, a missing file or a marker of nonsense: then everything is looked at again."""
    cache = Cache(tmp_path, "me/mine")
    pointer = cache.pointer(COMMIT, NAMES[0])
    pointer.parent.mkdir(parents=True)
    pointer.write_text("{}")
    assert not cache.is_verified(COMMIT)
    cache.mark_verified(COMMIT, [NAMES[0]])
    assert cache.is_verified(COMMIT)
    pointer.write_text("{ }")
    assert not cache.is_verified(COMMIT)
    cache.mark_verified(COMMIT, [NAMES[0]])
    next((tmp_path / ".plexctl").rglob("*.json")).write_text("[]")
    assert not cache.is_verified(COMMIT)


def test_a_branch_is_remembered_as_huggingface_hub_does(tmp_path: Path) -> None:
    """The commit of a branch stands in refs; a commit is no branch; what is no commit is not believed."""
    cache = Cache(tmp_path, "me/mine")
    assert cache.last_commit("main") is None
    cache.remember("main", COMMIT)
    cache.remember(COMMIT, COMMIT)
    assert cache.last_commit("main") == COMMIT
    assert [path.name for path in (tmp_path / "models--me--mine" / "refs").iterdir()] == ["main"]
    (tmp_path / "models--me--mine" / "refs" / "main").write_text("nonsense")
    assert cache.last_commit("main") is None

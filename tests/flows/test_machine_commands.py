"""The commands in this process, over machines that are reached by ssh: what they show, ask and promise in JSON."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest
from tests.flows.ground import ON_THE_HOST, Ground, ground_adapter
from tests.flows.sky import NAME, gateway_of
from tests.flows.test_commands import DEPLOY, Cli, cli, document

from plexctl import registry
from plexctl.errors import ConfigurationError, NotFoundError, ProviderError, UsageError

__all__ = ["cli"]
ON_THE_HOST_DICT = {"url": ON_THE_HOST.url, "wss_url": ON_THE_HOST.wss_url, "tls": "ssh"}


@pytest.fixture
def sky(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ground]:
    """Give a ground that is a provider like any other, in a clean home."""
    ground = Ground(stop_ends_it=True)
    monkeypatch.setitem(registry.BUILT_IN, NAME, f"{__name__}:Adapter")
    monkeypatch.setattr(f"{__name__}.Adapter", ground_adapter(ground), raising=False)
    monkeypatch.setenv("PLEXCTL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PLEXCTL_TOKEN", "a-token")
    monkeypatch.chdir(tmp_path)
    with gateway_of(ground):
        yield ground
    assert ground.open_now == 0, "a tunnel was left open"


def test_what_is_told_of_a_host_is_its_own_endpoint_and_gpus(cli: Cli, sky: Ground) -> None:
    """In the documents and for a reader; the tunnel's end is nobody's business."""
    assert document(cli(*DEPLOY, "--json"))["endpoint"] == ON_THE_HOST_DICT
    (shown,) = document(cli("status", "--json"))["deployments"]
    assert (shown["state"], shown["endpoint"]) == ("ready", ON_THE_HOST_DICT)
    assert [gpu["temperature_c"] for gpu in shown["gpus"]] == [61]
    assert "  GPU NVIDIA L40S, 20.0 of 45.0 GiB, 35 % busy, 61 °C\n" in cli("status")[1]
    assert len(sky.opened) == 3


def test_ssh_gives_openssh_this_process(cli: Cli, sky: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that was given, word by word; --json prints the command line instead."""
    cli(*DEPLOY)
    run: list[list[str]] = []
    monkeypatch.setattr(os, "execvp", lambda program, argv: run.append([program, *argv]))
    cli("ssh", "personaplex", "--", "nvidia-smi", "-L")
    login = ["ssh", "-p", "22", "ubuntu@personaplex.example"]
    assert run == [["ssh", *login, "nvidia-smi", "-L"]]
    assert document(cli("ssh", "--json")) == {"name": "personaplex", "argv": login}
    assert len(run) == 1
    sky.apps.clear()
    assert cli("ssh")[0] == NotFoundError.exit_code


def test_without_openssh_the_fix_is_named(cli: Cli, sky: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 3, not a traceback."""
    cli(*DEPLOY)
    monkeypatch.setenv("PATH", "/nonexistent")
    code, _, err = cli("ssh")
    assert (code, "install OpenSSH's client" in err) == (ConfigurationError.exit_code, True)
    assert sky.apps


def test_a_destroy_lists_what_goes_from_the_host_before_it_asks(cli: Cli, sky: Ground) -> None:
    """And with --dry-run; who confirms reads it first."""
    cli(*DEPLOY)
    listed = ["/opt/plexctl", "/etc/systemd/system/plexctl.service"]
    assert document(cli("destroy", "--dry-run", "--json"))["holdings"] == listed
    code, out, _ = cli("destroy")
    assert (code, out) == (
        UsageError.exit_code,
        "on the host, by plexctl:\n  /opt/plexctl\n  /etc/systemd/system/plexctl.service\n",
    )
    assert sky.apps
    assert document(cli("destroy", "--yes", "--json"))["holdings"] == listed
    assert sky.apps == {}


def test_a_host_that_cannot_be_asked_keeps_nobody_from_destroying(cli: Cli, sky: Ground) -> None:
    """What is on it is not known then, and said to be so."""
    cli(*DEPLOY)
    sky.fails["holdings"] = ProviderError("it is away")
    code, out, err = cli("destroy", "--yes", "--json")
    assert (code, json.loads(out)["data"]["holdings"]) == (0, None)
    assert "could not be listed: it is away" in err
    assert sky.apps == {}


def test_a_stop_that_ends_the_machine_asks(cli: Cli, sky: Ground) -> None:
    """With what is lost and what bills on; a second stop has nothing to ask about, and a start makes another."""
    cli(*DEPLOY)
    code, _, err = cli("stop")
    assert code == UsageError.exit_code
    assert "sky cannot stop a machine: that of personaplex is ended with all that is on its disk" in err
    assert "--yes" in err
    assert sky.apps
    assert document(cli("stop", "--yes", "--json"))["changed"]
    assert sky.apps == {}
    (shown,) = document(cli("status", "--json"))["deployments"]
    assert (shown["state"], shown["detail"]) == ("stopped", "stopped")
    assert not document(cli("stop", "--json"))["changed"]
    sky.stages = ["booting"]
    assert document(cli("start", "--json"))["deployment"]["state"] == "ready"


def test_open_holds_the_way_to_the_host(cli: Cli, sky: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """The URL leads to the gateway until Ctrl-C; nothing is open afterwards."""
    cli(*DEPLOY)
    sky.opened.clear()
    heard: list[bytes] = []

    def browse(url: str) -> None:
        def look() -> None:
            with urlopen(f"{url}/health") as answer:  # noqa: S310 - our own tunnel
                heard.append(answer.read())
            os.kill(os.getpid(), signal.SIGINT)

        threading.Thread(target=look).start()

    monkeypatch.setattr("webbrowser.open", browse)
    code, out, err = cli("open", "--browser")
    assert (code, json.loads(heard[0])["state"]) == (0, "ready")
    assert out.startswith("http://localhost:")
    assert f"a tunnel to {ON_THE_HOST.url}, on the host, by ssh" in err
    assert len(sky.opened) == 1

"""The commands in this process, over the provider in memory: what they print, ask and promise in JSON."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from tests.cli.schemas import check
from tests.flows.market import BAD, GONE, Market, renting
from tests.flows.sky import NAME, Sky, adapter_of, gateway_of
from tests.probe.conftest import Certificates, certificates

from plexctl import registry
from plexctl.cli.main import run
from plexctl.errors import ConfigurationError, ConflictError, NoCapacityError, NotFoundError, UsageError
from plexctl.model import Usage

__all__ = ["certificates"]
Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def sky(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sky]:
    """Give a sky that is a provider like any other, in a clean home."""
    one = Sky()
    monkeypatch.setitem(registry.BUILT_IN, NAME, "tests.flows.test_commands:Adapter")
    monkeypatch.setattr(f"{__name__}.Adapter", adapter_of(one), raising=False)
    monkeypatch.setenv("PLEXCTL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PLEXCTL_TOKEN", "a-token")
    monkeypatch.chdir(tmp_path)
    with gateway_of(one):
        yield one


@pytest.fixture
def cli(sky: Sky, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Return what runs a command and gives its code, stdout and stderr."""
    del sky

    def one(*argv: str) -> tuple[int, str, str]:
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        try:
            code = run(argv)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        said = capsys.readouterr()
        return code, said.out, said.err

    return one


def document(answer: tuple[int, str, str]) -> dict[str, Any]:
    """Return the data of a document that is as promised."""
    code, out, _ = answer
    assert code == 0, out
    return check(json.loads(out))


DEPLOY = ("deploy", "-p", NAME, "--engine", "echo", "--no-probe", "--yes")


def test_from_nothing_to_nothing(cli: Cli, sky: Sky) -> None:
    """Every command's document is as promised, and what a destroy keeps is said."""
    assert document(cli(*DEPLOY, "--json"))["changed"]
    assert not document(cli(*DEPLOY, "--json"))["changed"]
    sky.usage = Usage(0, None, "none up")
    (shown,) = document(cli("status", "--json"))["deployments"]
    assert (shown["state"], shown["replicas"]) == ("idle", 0)
    assert "bills now, estimated: nothing for GPUs while no container is up" in cli("status")[1]
    assert document(cli("scale", "--max", "2", "--json"))["changed"]
    assert document(cli("stop", "--json"))["still_bills"].startswith("not known here")
    assert document(cli("start", "--json"))["changed"]
    assert document(cli("destroy", "--dry-run", "--json"))["kept"] == ["volume shared-weights"]
    _, out, _ = cli("destroy", "--yes")
    assert out == (
        "personaplex is destroyed; what remains:\n  volume shared-weights: others use it; 0.09 USD per GiB-month\n"
    )


def test_a_destroy_of_all_leaves_nothing(cli: Cli, sky: Sky) -> None:
    """And only then it says so."""
    cli(*DEPLOY)
    assert cli("destroy", "--all", "--yes")[1] == "personaplex is destroyed: nothing of it is left\n"
    assert (sky.apps, sky.volumes) == ({}, set())


def test_the_price_is_asked_about(cli: Cli, sky: Sky) -> None:
    """By the hour, with what bills when idle; without a terminal it is exit 2, and nothing is made."""
    code, _, err = cli(*DEPLOY[:-1])
    assert code == UsageError.exit_code
    assert "personaplex takes no GPU of sky for 0.03 USD per hour; idle it bills" in err
    assert sky.mutations == []


def test_a_dry_run_makes_nothing_and_needs_no_token(cli: Cli, sky: Sky, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it the token is missing: exit 3."""
    monkeypatch.delenv("PLEXCTL_TOKEN")
    assert document(cli(*DEPLOY, "--dry-run", "--json"))["offer"]["price_usd_per_hour"] == 0.03
    code, _, err = cli(*DEPLOY)
    assert (code, "openssl rand -hex 24" in err) == (ConfigurationError.exit_code, True)
    assert sky.mutations == []


def test_a_token_may_come_from_a_file(cli: Cli, sky: Sky, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`--token-file` is as good as the variable."""
    monkeypatch.delenv("PLEXCTL_TOKEN")
    (tmp_path / "token").write_text("from-a-file\n")
    assert cli(*DEPLOY, "--token-file", "token")[0] == 0
    assert sky.tokens == ["from-a-file"]


def test_secrets_are_renewed_when_asked(cli: Cli, sky: Sky) -> None:
    """Where nobody can compare them, only the user knows that they changed."""
    cli(*DEPLOY)
    cli(*DEPLOY, "--renew-secrets")
    assert sky.renewed == 1


def test_more_replicas_kept_up_are_asked_about(cli: Cli, sky: Sky) -> None:
    """They bill all day; fewer, or a dry run, need no question."""
    cli(*DEPLOY)
    code, _, err = cli("scale", "--min", "1")
    assert (code, "1 kept up all day at 0.03 USD per hour each" in err) == (UsageError.exit_code, True)
    assert document(cli("scale", "--min", "1", "--dry-run", "--json"))["dry_run"]
    assert len(sky.mutations) == 1
    assert cli("scale", "--min", "1", "--yes")[1].startswith("personaplex has 1 to 1 replicas\n")


def test_a_served_deployment_is_streamed_and_ends(cli: Cli, sky: Sky) -> None:
    """One document a line: what came up, its log, and the failure when it ends by itself."""
    code, out, err = cli(*DEPLOY, "--dev", "--json")
    up, line = (json.loads(text) for text in out.splitlines()[:2])
    assert up["data"]["deployment"]["state"] == "ready"
    assert line["data"]["text"] == "a line of its log"
    assert (code, sky.apps) == (9, {})
    del err


def test_a_name_that_is_taken_is_not_served(cli: Cli, sky: Sky) -> None:
    """Exit 11; what runs is left alone."""
    cli(*DEPLOY)
    assert cli(*DEPLOY, "--dev")[0] == ConflictError.exit_code
    assert len(sky.apps) == 1


def test_what_nobody_knows_is_not_scaled(cli: Cli) -> None:
    """Exit 10."""
    assert cli("scale", "nobody", "--min", "0")[0] == NotFoundError.exit_code


@pytest.fixture
def market(sky: Sky, monkeypatch: pytest.MonkeyPatch) -> Iterator[Market]:
    """Give a market beside the sky: of its three hosts the first is taken and the second bad."""
    del sky
    one = Market("bazaar", {"a": 0.30, "b": 0.40, "c": 0.50}, {"a": GONE, "b": BAD})
    monkeypatch.setitem(registry.BUILT_IN, one.name, "tests.flows.test_commands:Renting")
    monkeypatch.setattr(f"{__name__}.Renting", renting(one), raising=False)
    with gateway_of(one):
        yield one


RENT = ("deploy", "-p", "bazaar", "--engine", "echo", "--no-probe", "--yes")


def test_what_was_tried_is_shown(cli: Cli, market: Market) -> None:
    """As a table for a reader, with the reasons; in JSON as rows."""
    code, out, err = cli(*RENT)
    lines = [line.split() for line in out.splitlines()]
    assert code == 0, err
    assert ["TRIED", "OUTCOME", "TOOK", "WHY"] in lines
    shown = [line for line in out.splitlines() if line.startswith("bazaar RTX 4090 in DE, host ")]
    assert ["no_capacity" in shown[0], "bad_host" in shown[1], "ready" in shown[2]] == [True] * 3
    assert "offer of a is gone; removing what was made there" in err
    cli("destroy", "--yes")
    market.fates["c"] = GONE
    assert cli(*RENT, "--ignore-denied")[0] == NoCapacityError.exit_code
    market.fates = {"a": GONE}
    rows = document(cli(*RENT, "--json"))["attempts"]
    assert [(one["host"], one["outcome"]) for one in rows] == [("a", "no_capacity"), ("c", "ready")]


def test_none_that_comes_up_has_its_table_in_the_document(cli: Cli, market: Market) -> None:
    """Exit 7, and the words on stderr without --json."""
    market.fates["c"] = BAD
    code, out, _ = cli(*RENT, "--json")
    failed = json.loads(out)
    assert (code, failed["error"]["code"]) == (7, "no_capacity")
    assert [one["outcome"] for one in failed["data"]["attempts"]] == ["no_capacity", "bad_host", "bad_host"]
    assert market.alive == {}
    assert "came up on none of 1 offer tried (bazaar RTX 4090 in DE, host a" in cli(*RENT, "--max-tries", "1")[2]


def test_the_dearest_that_may_be_tried_is_asked_about(cli: Cli, market: Market) -> None:
    """One question, for the highest price that can come of it."""
    _, _, err = cli(*RENT[:-1])
    assert "for 0.30 USD per hour (or, should that fail, the next 2 offers at up to 0.50 USD per hour)" in err
    assert len(document(cli(*RENT, "--dry-run", "--json"))["others"]) == 2
    assert market.made == []


def test_auto_asks_whoever_is_set_up(cli: Cli, market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those without credentials are left out without a word on stderr; the best of the others is taken."""
    others = {name: target for name, target in registry.BUILT_IN.items() if name != "cloudrun"}
    monkeypatch.setattr(registry, "BUILT_IN", others)  # Google's credentials may be a machine's own: it would be asked.
    for name in ("MODAL_TOKEN_ID", "MODAL_TOKEN_SECRET"):
        monkeypatch.delenv(name, raising=False)
    code, out, err = cli("deploy", "-p", "auto", "--engine", "echo", "--dry-run", "--json")
    assert code == 0, out
    assert json.loads(out)["data"]["offer"]["provider"] in ("sky", market.name)
    assert "left out" not in err


def test_an_address_that_browsers_trust_is_just_printed(cli: Cli, sky: Sky) -> None:
    """No tunnel, and the command ends."""
    cli(*DEPLOY)
    shown = document(cli("open", "--json"))
    assert (shown["url"], shown["is_tunnel"]) == (sky.endpoint.url, False)
    assert cli("open")[1] == f"{sky.endpoint.url}\n"


def test_a_self_signed_one_gets_a_tunnel_until_ctrl_c(
    cli: Cli, sky: Sky, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The browser is sent to this machine, and hears the gateway; Ctrl-C is the way to end it: exit 0."""
    cli(*DEPLOY)
    heard: list[bytes] = []

    def browse(url: str) -> None:
        def look() -> None:
            with urlopen(f"{url}/health") as answer:  # noqa: S310 - our own tunnel
                heard.append(answer.read())
            os.kill(os.getpid(), signal.SIGINT)

        threading.Thread(target=look).start()

    monkeypatch.setattr("webbrowser.open", browse)
    with in_tls(sky, certificates):
        code, out, err = cli("open", "--browser")
    assert (code, json.loads(heard[0])["state"]) == (0, "ready")
    assert out.startswith("http://localhost:")
    assert f"a tunnel to {sky.endpoint.url}" in err


@contextmanager
def in_tls(sky: Sky, certificates: Certificates) -> Iterator[None]:
    """Let the gateway serve TLS with a certificate that only its fingerprint vouches for."""
    with gateway_of(sky, certificates.good):
        sky.endpoint = replace(sky.endpoint, tls=f"sha256:{certificates.fingerprint}")
        yield

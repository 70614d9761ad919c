"""Each state through the real process against the loopback Hub: its code, exit code, words and next step."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
from tests.cli.process import Plexctl
from tests.cli.schemas import check
from tests.clouds.hub import Fault, Hub, rate_limited
from tests.licence.world import PAGE, REPOSITORY, TOKENS_PAGE, TOTAL_BYTES, ask

from plexctl.licence.states import ERRORS, State


@dataclass(frozen=True)
class Row:
    """One way to be refused: whose token, what is asked, what goes wrong, and what must be said."""

    code: str
    exit_code: int
    words: str
    """Each of these, split at `|`, is in the message or the hint."""
    who: str | None = "ann"
    argv: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()
    env: dict[str, str] = field(default_factory=dict)


ROWS = (
    Row("no_token", 4, f"there is no token|{PAGE}|{TOKENS_PAGE}|HF_TOKEN", who=None),
    Row("token_invalid", 4, f"does not accept the token|from HF_TOKEN|{TOKENS_PAGE}", who="nobody"),
    Row("token_invalid", 4, f"has expired|{TOKENS_PAGE}", who="expired"),
    Row("token_scope", 4, f"fine-grained|of ann|contents of all public gated repos|{TOKENS_PAGE}", who="narrow"),
    Row("licence_not_accepted", 5, f"has not been accepted|of bob|open {PAGE}|log in as bob|--wait", who="bob"),
    Row("licence_awaiting_review", 5, "review|of pat|https://huggingface.co/settings/gated-repos|--wait", who="pat"),
    Row("licence_rejected", 5, f"rejected|of rex|{PAGE}/discussions", who="rex"),
    Row(
        "repository_not_found",
        10,
        f"nvidia/personaplex: there is no such|did you mean '{REPOSITORY}'|https://huggingface.co/nvidia/personaplex",
        argv=("--repo", "nvidia/personaplex"),
    ),
    Row("repository_not_found", 10, "without a token|did you mean", who=None, argv=("--repo", "kyutai/personaplex-rl")),
    Row("repository_not_found", 10, "private", who="bob", argv=("--repo", "ann/private")),
    Row("revision_not_found", 10, f"no revision 'mian'|{PAGE}/commits", argv=("--revision", "mian")),
    Row("revision_not_found", 10, "0000", argv=("--revision", "0" * 40)),
    Row("weights_not_found", 10, "has no model.safetensors|tree/main", argv=("--repo", "ann/notes")),
    Row(
        "hub_refused",
        4,
        f"Access to this resource is disabled.|open {PAGE}",
        faults=(Fault("resolve", 403, {"X-Error-Message": "Access to this resource is disabled."}),),
    ),
    Row("hub_rate_limited", 8, "too many requests|in 55 s|status.huggingface.co", faults=(rate_limited(),)),
    Row("hub_rate_limited", 8, "in 7 s", faults=(Fault("", 429, {"Retry-After": "7"}),)),
    Row("hub_failing", 8, "HTTP 500|status.huggingface.co", faults=(Fault("", 500, body=b"oops"),)),
    Row("hub_failing", 8, "HTTP 503", faults=(Fault("model.safetensors", 503),)),
    Row("hub_slow", 8, "in time|--timeout", argv=("--timeout", "1s"), faults=(Fault("", delay_s=60),)),
    Row("hub_unreachable", 8, "Connection refused|HTTPS_PROXY", env={"HF_ENDPOINT": "http://127.0.0.1:1"}),
    Row("hub_unreachable", 8, "no connection|network", env={"HF_ENDPOINT": "https://nowhere.invalid"}),
    Row("hub_unreachable", 8, "Connection refused", who=None, env={"HF_ENDPOINT": "http://[::1]:1"}),
    Row("hub_offline", 3, "HF_HUB_OFFLINE is set|unset", env={"HF_HUB_OFFLINE": "1"}),
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.code}-{row.words[:24]}")
def test_refusal(row: Row, hub: Hub, plexctl: Plexctl) -> None:
    """A state has its own code and exit code, says what it is and what to open, and says so in both modes."""
    hub.faults[:] = row.faults
    with ThreadPoolExecutor() as pool:
        human = pool.submit(ask, plexctl, hub, row.who, *row.argv, env=row.env)
        machine = pool.submit(ask, plexctl, hub, row.who, *row.argv, "--json", env=row.env)
    document, said = machine.result().document, human.result().stderr
    error, data = document["error"], document["data"]
    assert (error["code"], error["exit_code"], machine.result().rc, human.result().rc, data["state"]) == (
        row.code,
        *([row.exit_code] * 3),
        row.code,
    )
    for word in row.words.split("|"):
        assert word in f"{error['message']}\n{error['hint']}"
    assert f"error: {error['message']}\n  fix: {error['hint']}" in said
    assert human.result().stdout == ""
    assert [found["level"] for found in data["findings"] if found["check"] == "licence"] == ["fail"]


def test_every_state_is_in_the_table() -> None:
    """No state is without a row, and each raises an error whose code is its name."""
    assert {row.code for row in ROWS} | {"granted"} == {str(state) for state in State}
    assert {state: kind.code for state, kind in ERRORS.items()} == {s: str(s) for s in State if s is not State.GRANTED}
    assert all(row.exit_code == ERRORS[State(row.code)].exit_code for row in ROWS)


@pytest.mark.parametrize(
    ("who", "kind"), [("ann", "read"), ("fine", "fine-grained"), ("write", "write")], ids=lambda value: value
)
def test_granted(who: str, kind: str, hub: Hub, plexctl: Plexctl) -> None:
    """Granted shows account, kind and source of the token, licence, commit, files, bytes; both files were asked for."""
    data = check(ask(plexctl, hub, who, "--json").document)
    assert (data["state"], data["repository"], data["account"]) == ("granted", REPOSITORY, "ann")
    assert (data["token_kind"], data["token_source"]) == (kind, "HF_TOKEN")
    assert (data["licence"], data["bytes"], len(data["files"])) == ("nvidia-open-model-license", TOTAL_BYTES, 7)
    assert data["revision"] == hub.repositories[REPOSITORY].refs["main"]
    heads = {seen.path.rpartition("/")[2] for seen in hub.requests if seen.method == "HEAD"}
    assert heads == {"config.json", "model.safetensors"}
    shown = ask(plexctl, hub, who).stdout
    for word in ("granted", f"ann, {kind} token from HF_TOKEN", "nvidia-open-model-license", "7, 17.14 GB to download"):
        assert word in shown


def test_a_branch_is_resolved_to_its_commit(hub: Hub, plexctl: Plexctl) -> None:
    """`--revision` takes a branch, a ref with slashes or a commit, and the commit is told."""
    commit = "b" * 40
    hub.repositories[REPOSITORY].refs |= {"main": "a" * 40, "refs/pr/1": commit}
    for revision in ("refs/pr/1", commit, commit.upper()):
        assert ask(plexctl, hub, "ann", "--revision", revision, "--json").data["revision"] == commit


def test_an_open_repository_needs_no_token(hub: Hub, plexctl: Plexctl) -> None:
    """Where nothing is gated, the files can be read without a token: granted, to nobody in particular."""
    data = check(ask(plexctl, hub, None, "--repo", "kyutai/moshiko-pytorch-bf16", "--json").document)
    assert (data["account"], data["token_kind"], data["token_source"]) == (None, None, None)


def test_a_non_commercial_licence_is_a_warning(hub: Hub, plexctl: Plexctl) -> None:
    """The licence of kyutai/personaplex-rl-seamless is granted and, since it is non-commercial, warned of."""
    argv = ("--repo", "kyutai/personaplex-rl-seamless")
    found = ask(plexctl, hub, "ann", *argv, "--json").data["findings"]
    (terms,) = [finding for finding in found if finding["check"] == "licence-terms"]
    assert (terms["level"], "non-commercial" in terms["message"]) == ("warn", True)
    assert (
        "warn: cc-by-nc-4.0 of kyutai/personaplex-rl-seamless is non-commercial"
        in ask(plexctl, hub, "ann", *argv).stderr
    )


def test_the_description_alone_grants_nothing(hub: Hub, plexctl: Plexctl) -> None:
    """`/api/models/<name>` answers everybody; when one of the two files cannot be read, it is not granted."""
    hub.fail(Fault("HEAD .*model.safetensors", 504))
    result = ask(plexctl, hub, "ann", "--json")
    assert (result.rc, result.document["error"]["code"]) == (8, "hub_failing")


def test_what_is_not_needed_may_fail(hub: Hub, plexctl: Plexctl) -> None:
    """When only the account and the list of files cannot be read, it is granted, and warnings say so."""
    hub.fail(rate_limited(pattern="whoami"))
    hub.fail(Fault("GET /api/models/", 500))
    data = check(ask(plexctl, hub, "ann", "--json").document)
    assert (data["account"], len(data["files"]), data["bytes"]) == (None, 2, 16_742_863_253)
    assert [found["check"] for found in data["findings"] if found["level"] == "warn"] == ["hub", "account", "files"]


def test_what_is_sure_goes_before_what_is_not(hub: Hub, plexctl: Plexctl) -> None:
    """A refusal by the gate is told even where another read failed; a failed read alone is never a refusal."""
    hub.fail(Fault("model.safetensors", 503))
    assert ask(plexctl, hub, "bob", "--json").document["error"]["code"] == "licence_not_accepted"
    assert ask(plexctl, hub, "ann", "--json").document["error"]["code"] == "hub_failing"

"""The rendered scripts, run with bash, curl and jq against a stand-in on the loopback."""

from __future__ import annotations

import json
import shutil
import sys
import time
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from tests.marketplaces.examples import DEFAULT, DIGEST
from tests.marketplaces.rig import AWKWARD, CANARY, NAME, RUNPOD, SPEC, VAST, Make, Target

from plexctl.spec import Limits, Templates

TOOLS = ("bash", "curl", "jq")
pytestmark = pytest.mark.skipif(not all(map(shutil.which, TOOLS)), reason=f"needs {', '.join(TOOLS)}")

BOTH = pytest.mark.parametrize("target", [RUNPOD, VAST], ids=["runpod", "vast"])


@BOTH
def test_what_is_sent_is_the_plans_own_body(rig: Make, target: Target) -> None:
    """One create with exactly the plan's body, every value in it as it was; the id alone on standard output."""
    one = rig(target)
    done = one.run()
    assert (done.returncode, done.stdout) == (0, f"{target.first_id}\n"), done.stderr
    assert one.market.created == [one.sent]
    assert one.market.created[0]["env"]["HF_TOKEN"] == AWKWARD
    assert one.market.methods[-1] == target.create
    assert {call.authorization for call in one.market.calls} == {"Bearer canary-key"}


@BOTH
def test_no_secret_stands_on_a_command_line(rig: Make, target: Target) -> None:
    """Neither in what curl and jq were given, nor in any process while the requests were on their way."""
    one = rig(target)
    assert one.run().returncode == 0
    notes = one.notes.read_text(encoding="utf-8")
    assert notes.count("/curl ") == len(one.market.calls)
    assert "/jq " in notes
    assert CANARY not in notes
    if sys.platform == "linux":
        assert any(b"curl" in line for line in one.market.command_lines)
    assert not [line for line in one.market.command_lines if CANARY.encode() in line]


@BOTH
def test_the_watch_would_see_a_secret(rig: Make, target: Target, tmp_path: Path) -> None:
    """With the key in a header that stands on curl's command line, both looks find it: they are awake."""
    ours = str(files("plexctl_templates") / "marketplaces" / "calling.sh.j2")
    text = Path(ours).read_text(encoding="utf-8")
    leaky = text.replace("--header @<(printf 'Authorization: Bearer %s\\n' \"", '--header "Authorization: Bearer ')
    leaky = leaky.replace('}}")', '}}"')
    own = tmp_path / "own" / "marketplaces" / "calling.sh.j2"
    own.parent.mkdir(parents=True)
    own.write_text(leaky, encoding="utf-8")
    one = rig(target, structs.replace(SPEC, templates=Templates(folder=str(tmp_path / "own"))))
    assert one.run().returncode == 0
    assert "canary-key" in one.notes.read_text(encoding="utf-8")
    if sys.platform == "linux":
        assert any(b"canary-key" in line for line in one.market.command_lines)


@BOTH
def test_a_second_run_creates_nothing(rig: Make, target: Target) -> None:
    """The name is looked up before anything is made, and what has it is what is printed."""
    one = rig(target)
    one.run()
    again = one.run()
    assert (again.returncode, again.stdout) == (0, f"{target.first_id}\n")
    assert f"{NAME} is there already: nothing was created" in again.stderr
    assert len(one.market.created) == 1


@BOTH
def test_other_peoples_names_do_not_count(rig: Make, target: Target) -> None:
    """Something with a longer name of the same beginning is another deployment."""
    one = rig(target, existing=[{"id": "other", target.name_key: f"{NAME}5"}])
    assert one.run().returncode == 0
    assert len(one.market.created) == 1


@BOTH
def test_a_lost_answer_is_looked_up_not_repeated(rig: Make, target: Target) -> None:
    """504 after it was made: it is found by its name, and there is one."""
    one = rig(target, fault=(504, {}), is_lost=True)
    done = one.run()
    assert (done.returncode, done.stdout) == (0, f"{target.first_id}\n"), done.stderr
    assert len(one.market.existing) == 1


@BOTH
def test_a_failed_create_fails(rig: Make, target: Target) -> None:
    """504 and nothing was made: one try, no id, exit 1."""
    one = rig(target, fault=(504, {}))
    done = one.run()
    assert (done.returncode, done.stdout) == (1, "")
    assert "was created: HTTP 504" in done.stderr
    assert len(one.market.created) == 1


@BOTH
def test_a_refusal_shows_the_apis_own_words_only(rig: Make, target: Target) -> None:
    """The detail is shown; what the API echoes of the request is not."""
    said = {"detail": "no longer any instances available", "echo": {"HF_TOKEN": "canary-hub"}}
    one = rig(target, fault=(400, said))
    done = one.run()
    assert (done.returncode, done.stdout) == (1, "")
    assert "HTTP 400: no longer any instances available" in done.stderr


@BOTH
def test_without_the_list_nothing_is_made(rig: Make, target: Target) -> None:
    """Who cannot see what exists does not create."""
    one = rig(target, listings=[500])
    done = one.run()
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith("s: HTTP 500: the list is down\n")
    assert one.market.created == []


@BOTH
def test_a_lost_answer_that_nobody_can_check_is_called_unknown(rig: Make, target: Target) -> None:
    """A create without an answer and then no list: neither success nor failure is claimed, and nothing repeated."""
    one = rig(target, fault=(504, {}), is_lost=True, listings=[200, 500])
    done = one.run()
    assert (done.returncode, done.stdout) == (1, "")
    assert "was made is not known: run this again to see" in done.stderr
    assert "was created" not in done.stderr
    assert len(one.market.created) == 1


@BOTH
def test_an_unreachable_api_fails_in_words(rig: Make, target: Target) -> None:
    """No answer at all is said with curl's reason, and exit 1."""
    one = rig(target)
    done = one.run(**{target.base: "http://127.0.0.1:1"})
    assert done.returncode == 1
    assert "HTTP 000" in done.stderr


@BOTH
@pytest.mark.parametrize("name", ["key", "PLEXCTL_TOKEN", "HF_TOKEN"])
def test_what_is_not_set_is_named_before_anything_is_asked(rig: Make, target: Target, name: str) -> None:
    """A missing value ends the script with its name."""
    missing = target.key if name == "key" else name
    one = rig(target)
    done = one.run(without=missing)
    assert (done.returncode, done.stderr) == (2, f"{missing} is not set: export it first\n")
    assert one.market.calls == []


@BOTH
def test_an_image_can_be_named_by_the_environment(rig: Make, target: Target) -> None:
    """Where the spec names no image, PLEXCTL_IMAGE does."""
    one = rig(target, DEFAULT)
    assert "PLEXCTL_IMAGE is not set" in one.run().stderr
    assert one.run(PLEXCTL_IMAGE=DIGEST).returncode == 0
    assert one.market.created[0]["image"] == DIGEST


@BOTH
def test_the_lifetime_counts_from_the_run(rig: Make, target: Target) -> None:
    """The expiry is now and the lifetime of the spec, in Unix seconds."""
    before = int(time.time())
    one = rig(target, structs.replace(SPEC, limits=Limits(ttl_s=600)))
    assert one.run().returncode == 0
    assert before + 600 <= int(one.market.created[0]["env"]["PLEXCTL_EXPIRES_AT"]) <= time.time() + 601


def test_runpod_that_makes_a_pod_without_an_id_is_called_unknown(rig: Make) -> None:
    """201 without an id: something may be there, so that success is not claimed and the next step is named."""
    done = rig(RUNPOD, fault=(201, {}), is_lost=True).run()
    assert (done.returncode, done.stdout) == (1, "")
    assert "whether the pod was made is not known: run this again to see" in done.stderr


def test_vast_searches_with_the_plans_filters(rig: Make) -> None:
    """The search is the plan's, and the first offer, the cheapest, is rented."""
    one = rig(VAST)
    assert one.run().returncode == 0
    search: Any = one.plan.resources[0].body["search"]
    assert one.market.methods == ["GET /api/v1/instances/", "POST /api/v0/bundles/", "PUT /api/v0/asks/7001/"]
    assert one.market.calls[1].body == search["json"]
    assert json.loads(one.market.calls[0].query["select_filters"][0]) == {"label": {"eq": NAME}}


def test_vast_rents_a_named_offer_without_a_search(rig: Make) -> None:
    """VAST_ASK_ID is somebody's own choice."""
    one = rig(VAST)
    assert one.run(VAST_ASK_ID="42").returncode == 0
    assert one.market.methods == ["GET /api/v1/instances/", "PUT /api/v0/asks/42/"]


def test_vast_without_an_offer_rents_nothing(rig: Make) -> None:
    """An empty search is said, with exit 1."""
    one = rig(VAST, offers=())
    done = one.run()
    assert (done.returncode, done.stdout) == (1, "")
    assert "no offer passes the filters of search.json" in done.stderr
    assert one.market.created == []


def test_vast_that_cannot_search_rents_nothing(rig: Make) -> None:
    """A search that fails is said with its status, and exit 1."""
    one = rig(VAST, searching=429)
    done = one.run()
    assert (done.returncode, done.stdout) == (1, "")
    assert "cannot search: HTTP 429" in done.stderr
    assert one.market.created == []


def test_vast_names_the_instance_that_a_low_bid_left_behind(rig: Make) -> None:
    """A refused bid may have made a stopped instance, which bills."""
    one = rig(VAST, fault=(400, {"error": "invalid_price", "msg": "bid too low", "new_contract": 9123}), is_lost=True)
    done = one.run()
    assert (done.returncode, done.stdout) == (1, "")
    assert "instance 9123 is there all the same and bills: destroy it" in done.stderr
    assert "bid too low" in done.stderr

"""The catalogue as offers, where callers go, and whom the key is sent to."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.clouds.runpod.state import Gpu
from tests.runpod.rig import Rig

from plexctl.contract import Context
from plexctl.errors import ConfigurationError, CredentialsError, PreflightError, ProviderError
from plexctl.extras import installed_version
from plexctl.model import Endpoint, Level, Need
from plexctl.states import State
from plexctl_providers.runpod.account import Money, judge
from plexctl_providers.runpod.adapter import RunPodProvider

FINGERPRINT = "ab" * 32


def test_what_is_in_stock_is_offered_with_the_price_of_now(rig: Rig) -> None:
    """One for each data centre, the fullest first; neither what nobody has, nor drivers too old, nor unknown GPUs."""
    offers = rig.provider().offers(Need())
    assert [(one.gpu, one.region, one.price_usd_per_hour, one.detail["availability"]) for one in offers] == [
        ("RTX 4090", "US-KS-2", 0.69, "HIGH"),
        ("RTX 4090", "EU-RO-1", 0.69, "LOW"),
        ("L4", "EU-SE-1", 0.43, "MEDIUM"),
        ("H100 SXM", "US-KS-2", 2.99, "HIGH"),
    ]
    assert offers[0].detail == {
        "gpu_id": "NVIDIA GeForce RTX 4090",
        "community_usd_per_hour": "0.34",
        "spot_usd_per_hour": "0.3",
        "availability": "HIGH",
    }
    assert {one.as_of for one in offers} == {time.strftime("%Y-%m-%d", time.gmtime(rig.cloud.clock.wall()))}


@pytest.mark.parametrize(
    ("need", "gpus"),
    [
        (Need(gpu="4090"), {"RTX 4090"}),
        (Need(min_vram_gib=40), {"H100 SXM"}),
        (Need(region="EU-SE-1"), {"L4"}),
        (Need(max_price_usd_per_hour=0.5), {"L4"}),
        (Need(gpu="A40"), set()),
    ],
)
def test_a_need_is_met(rig: Rig, need: Need, gpus: set[str]) -> None:
    """GPU by any of its names, memory, data centre and price."""
    assert {one.gpu for one in rig.provider().offers(need)} == gpus


def test_a_tcp_port_has_an_endpoint_once_its_certificate_is_known(rig: Rig) -> None:
    """Address and port from the runtime, the fingerprint from the log of this start: the last one counts."""
    entry, spec = rig.begin(), rig.spec(expose="tcp")
    made = rig.deploy(entry, spec)
    assert made.endpoint is None
    rig.until(lambda: rig.pod().status == "RUNNING")
    status = rig.provider().status(entry.ref)
    assert (status.state, status.endpoint) == (State.LOADING, None)
    for mark in ("00" * 32, FINGERPRINT):
        rig.pod().say("container", f"plexctl: tls sha256:{mark}", rig.cloud.clock.wall())
    rig.cloud.do(rig.cloud.running.tell())
    address = f"127.0.0.1:{rig.pod().port}"
    assert rig.provider().status(entry.ref).endpoint == Endpoint(
        f"https://{address}", f"wss://{address}/api/chat", f"sha256:{FINGERPRINT}"
    )


def test_a_host_cannot_forge_the_certificate_in_its_own_log(rig: Rig) -> None:
    """Only the container's lines are read for it."""
    entry = rig.begin()
    rig.deploy(entry, rig.spec(expose="tcp"))
    rig.until(lambda: rig.pod().status == "RUNNING")
    rig.pod().say("system", f"plexctl: tls sha256:{FINGERPRINT}", rig.cloud.clock.wall())
    rig.cloud.do(rig.cloud.running.tell())
    assert rig.provider().status(entry.ref).endpoint is None


def test_a_line_that_a_caller_or_an_engine_wrote_is_no_certificate(rig: Rig) -> None:
    """Only a whole line is the gateway's own word: what it repeats of others has a time before it."""
    entry = rig.begin()
    rig.deploy(entry, rig.spec(expose="tcp"))
    rig.until(lambda: rig.pod().status == "RUNNING")
    rig.cloud.clock.sleep(1.0)  # the port is mapped a moment later
    forged = f"plexctl: tls sha256:{'00' * 32}"
    for text in (f"plexctl: tls sha256:{FINGERPRINT}", f"2026-11-20T10:00:00.000Z engine-0 {forged}", f"{forged} x"):
        rig.pod().say("container", text, rig.cloud.clock.wall())
    rig.cloud.do(rig.cloud.running.tell())
    found = rig.provider().status(entry.ref).endpoint
    assert found is not None
    assert found.tls == f"sha256:{FINGERPRINT}"


@pytest.mark.parametrize("base", ["http://api.runpod.io", "ftp://127.0.0.1", "api.runpod.io", "http://127.0.0.1.evil"])
def test_the_key_goes_to_https_or_this_machine_only(tmp_path: Path, base: str) -> None:
    """Another address is refused before anything is opened."""
    environment = {"PLEXCTL_RUNPOD_URL": base, "RUNPOD_API_KEY": "k"}
    with pytest.raises(ConfigurationError, match="PLEXCTL_RUNPOD_URL"):
        RunPodProvider(Context(tmp_path, environment, {}, time.time)).find(None)


@pytest.mark.parametrize("template", ["http://{pod_id}.example.org", "https://proxy.runpod.net"])
def test_callers_are_sent_to_https_or_this_machine_only(rig: Rig, template: str) -> None:
    """A token would go there; and each pod has an address of its own."""
    environment = rig.cloud.environment_variables | {"PLEXCTL_RUNPOD_PROXY": template}
    entry = rig.begin()
    rig.deploy(entry)
    with pytest.raises(ConfigurationError, match="PLEXCTL_RUNPOD_PROXY"):
        RunPodProvider(Context(rig.home, environment, {}, time.time)).status(entry.ref)


@pytest.mark.parametrize("key", ["", "  ", "two words", "new\nline", "\u00fc"])
def test_a_key_that_is_none_is_said_so(tmp_path: Path, key: str) -> None:
    """Exit code 4 and where keys are made."""
    with pytest.raises(CredentialsError) as caught:
        RunPodProvider(Context(tmp_path, {"RUNPOD_API_KEY": key}, {}, time.time)).find(None)
    assert "API Keys" in str(caught.value.hint)
    assert not key.strip() or key not in caught.value.message


def test_who_has_no_key_may_need_none(tmp_path: Path) -> None:
    """`doctor` does not fail for a provider that nobody uses; nothing is asked."""
    found = RunPodProvider(Context(tmp_path, {}, {}, time.time)).check_credentials()
    assert (found.level, "RUNPOD_API_KEY" in found.message) == (Level.WARN, True)


@pytest.mark.parametrize(
    ("money", "levels"),
    [
        (Money(10.0, 0.0, 80.0), ["ok"]),
        (Money(0.0, 0.0, 80.0), ["fail"]),
        (Money(-1.5, None, None), ["fail"]),
        (Money(1.0, 0.6, 80.0), ["warn"]),
        (Money(500.0, 80.0, 80.0), ["fail", "ok"]),
        (Money(None, None, None), ["warn"]),
    ],
)
def test_money_is_judged(money: Money, levels: list[str]) -> None:
    """Nothing left and a limit that is reached fail; little is a warning."""
    assert [str(one.level) for one in judge(money)] == levels


def test_a_key_without_money_deploys_nothing(rig: Rig) -> None:
    """402 is told as what it is, with where to pay."""
    rig.cloud.balance = 0.0
    with pytest.raises(PreflightError) as caught:
        rig.deploy(rig.begin())
    assert "billing" in str(caught.value.hint)
    assert rig.cloud.billing() == []


@pytest.mark.parametrize("kind", [{}, "text", {"id": "NVIDIA L4", "price": {"secure": "dear"}}])
def test_a_catalogue_that_is_none_is_an_error_of_ours(rig: Rig, kind: Any) -> None:
    """What the description does not allow ends in words, not in a traceback."""

    class Odd(Gpu):
        def shown(self, *, with_stock: bool) -> Any:
            del with_stock
            return kind

    rig.cloud.gpus = [Odd("odd", "odd", 1, 1.0, 1.0, {})]
    rig.cloud.is_judged = False
    with pytest.raises(ProviderError, match="not what its description says"):
        rig.provider().offers(Need())


def test_the_vendors_sdk_does_not_set_up_our_logging() -> None:
    """Its import shows every request of the process on the terminal; ours undoes that."""
    script = (
        "import logging; from plexctl_providers.runpod.account import _sdk; _sdk(); "
        "print(logging.getLogger().handlers, logging.getLogger().level)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[] 30\n"


def test_the_two_marketplaces_go_together() -> None:
    """RunPod's 1.12 and Vast's 1.9 cannot be installed together; a resolver's way out was a vastai-sdk of old."""
    runpod, vast = installed_version("runpod"), installed_version("vastai-sdk")
    assert runpod is not None
    assert (1, 10) <= tuple(map(int, runpod.split(".")[:2])) < (1, 12)
    assert vast is None or tuple(map(int, vast.split(".")[:2])) >= (1, 9)

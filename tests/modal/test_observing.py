"""What is read of a deployment on Modal: its log, its containers, its bill, its prices; and what it is served by."""

from __future__ import annotations

import asyncio
import math
import threading
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from http.client import HTTPConnection

import pytest
from modal_proto import api_pb2
from tests.clouds.modal import Fault
from tests.contract.worlds import until
from tests.modal.ground import Ground, spec_of

from plexctl.errors import NoCapacityError, UnhealthyError
from plexctl.flows.follow import follow_start
from plexctl.flows.session import Session
from plexctl.model import Need, Ref
from plexctl.states import State
from plexctl_providers.modal import prices


def ask(url: str, path: str) -> int:
    """Return the status of a GET; redirects are not followed."""
    connection = HTTPConnection(url.removeprefix("http://"), timeout=10)
    with closing(connection):
        connection.request("GET", path)
        return connection.getresponse().status


def url_of(ground: Ground, ref: Ref) -> str:
    """Return the address of a deployment."""
    endpoint = ground.provider().status(ref).endpoint
    assert endpoint is not None
    return endpoint.url


def test_a_deployment_sleeps_wakes_and_sleeps(ground: Ground) -> None:
    """Asking Modal wakes nobody; a request does; after the window nothing is up, and the bill is read by tag."""
    entry, _ = ground.deploy(spec_of("echo"))
    assert ground.provider().usage(entry.ref, 0.0).replicas == 0
    assert ground.provider().status(entry.ref).detail == "no container is up; the next request starts one"
    assert ask(url_of(ground, entry.ref), "/livez") == 200
    ground.cloud.bills[ground.app(entry.ref).id] = "0.0375"
    used = ground.provider().usage(entry.ref, ground.app(entry.ref).created_at)
    assert (used.replicas, used.cost_usd) == (1, 0.0375)
    assert ground.provider().status(entry.ref).detail == "1 container(s) up"
    ground.cloud.pass_scaledown()
    assert ground.provider().usage(entry.ref, 0.0).replicas == 0


def test_a_bill_that_may_not_be_read_is_unknown(ground: Ground) -> None:
    """The containers are told all the same, and why the cost is not."""
    from grpclib.const import Status as Code

    entry, _ = ground.deploy(spec_of("echo"))
    ground.cloud.fail(Fault("WorkspaceBillingReport", Code.PERMISSION_DENIED, "billing needs another plan"))
    used = ground.provider().usage(entry.ref, 0.0)
    assert (used.replicas, used.cost_usd) == (0, None)
    assert "another plan" in used.source


def test_containers_that_are_kept_up_start_by_themselves(ground: Ground) -> None:
    """With min_containers the gateway runs before anybody calls, and goes when the app is stopped."""
    entry, _ = ground.deploy(spec_of("echo", modal={"min_containers": 1}))
    until(lambda: ground.provider().usage(entry.ref, 0.0).replicas == 1, "a container")
    ground.provider().stop(entry.ref)
    assert ground.cloud.running.containers_of(next(iter(ground.cloud.apps.values()))) == []


def test_requests_that_wait_are_told(ground: Ground) -> None:
    """Without a GPU to be had, a request is sent away with 303, and the status says what is waited for."""
    ground.cloud.has_capacity = False
    ground.cloud.queue_s = 5.0
    entry, done = ground.deploy(spec_of())
    assert done.endpoint is not None
    waiting = threading.Thread(target=ask, args=(done.endpoint.url, "/health"))
    waiting.start()
    until(lambda: "a GPU may not be free" in ground.provider().status(entry.ref).detail, "a waiting request")
    ground.cloud.has_capacity = True
    waiting.join(20)
    assert ground.provider().status(entry.ref).state is State.LOADING


def session_over(ground: Ground, clock: Clock) -> Session:
    """Return a session whose waiting moves the clock."""
    return Session(
        home=ground.home,
        environ=ground.cloud.environment_variables,
        reporter=clock,
        now=clock.now,
        monotonic=clock.monotonic,
        sleep=clock.sleep,
    )


class Clock:
    """Time that passes only while somebody waits; it keeps what was told, too."""

    def __init__(self) -> None:
        self.passed_s = 0.0
        self.told: list[str] = []

    def now(self) -> float:
        """Seconds since the epoch."""
        return 1_795_219_200.0 + self.passed_s

    def monotonic(self) -> float:
        """Seconds since the test began."""
        return self.passed_s

    async def sleep(self, seconds: float) -> None:
        """Let the time pass, faster than was asked for, and give containers a moment to notice."""
        self.passed_s += 20 * seconds
        await asyncio.sleep(0.01)

    def progress(self, text: str) -> None:
        """Keep it."""
        self.told.append(text)

    def note(self, text: str) -> None:
        """Keep it."""
        self.told.append(text)


def test_a_cold_start_of_ten_minutes_is_followed(ground: Ground) -> None:
    """303 is loading, for as long as it takes, and readiness is noticed; the clock is the test's."""
    clock = Clock()
    ground.cloud.clock, ground.cloud.cold_start_s, ground.cloud.queue_s = clock.now, 600.0, 0.05
    entry, _ = ground.deploy(spec_of("echo"))
    clock.passed_s += 1.0
    view = follow_start(session_over(ground, clock), entry.record, 1800)
    assert view.status.state is State.READY
    assert clock.passed_s >= 600
    assert any("loading" in line for line in clock.told)


def test_a_gpu_that_never_comes_is_no_capacity(ground: Ground) -> None:
    """Modal lets a request wait for a GPU: at the start's limit nothing was ever up, which is exit 7, and it can go."""
    clock = Clock()
    ground.cloud.has_capacity, ground.cloud.queue_s = False, 0.02
    entry, _ = ground.deploy(spec_of())
    with pytest.raises(NoCapacityError, match="nothing of voice came up within 60 s"):
        follow_start(session_over(ground, clock), entry.record, 60)
    assert clock.passed_s >= 60
    ground.provider().destroy(entry.ref, everything=True)
    assert ground.left() == []


def test_an_engine_out_of_memory_is_told_in_its_words(ground: Ground) -> None:
    """The gateway gives up and says why; so does the follow, with the end of the log."""
    ground.cloud.container_variables = {"PLEXCTL_ECHO_FAULT": "oom"}
    entry, _ = ground.deploy(spec_of("echo"))
    clock = Clock()
    with pytest.raises(UnhealthyError) as caught:
        follow_start(session_over(ground, clock), entry.record, 1800)
    assert "memory" in caught.value.message
    assert caught.value.data["log"]  # type: ignore[index]


def test_a_container_that_dies_at_its_start_is_in_the_log(ground: Ground) -> None:
    """The gateway never listens: what it said, and Modal's own word of its end, are the log's last lines."""
    ground.cloud.container_variables = {"PLEXCTL_PORT": "not-a-port"}
    ground.cloud.queue_s = 1.0
    entry, done = ground.deploy(spec_of("echo"))
    assert done.endpoint is not None
    ask(done.endpoint.url, "/livez")
    app = ground.app(entry.ref)
    until(lambda: any("Runner failed" in line.text for line in app.lines), "the end of a container")
    told = [line.text for line in ground.provider().logs(entry.ref, follow=False, since=None, tail=None)]
    assert any("PLEXCTL_PORT" in line for line in told)
    assert any("Runner failed with exit code" in line for line in told)


def test_since_bears_the_clients_rounding(ground: Ground) -> None:
    """A line is among those since its own time, which the client has rounded up to a microsecond."""
    entry, _ = ground.deploy(spec_of("echo"))
    app = ground.app(entry.ref)
    assert ask(url_of(ground, entry.ref), "/livez") == 200
    until(lambda: bool(app.lines), "a line")
    app.lines[0].time = math.floor(app.lines[0].time) + 0.0000008
    provider = ground.provider()
    whole = list(provider.logs(entry.ref, follow=False, since=app.lines[0].time - 1, tail=None))
    since = whole[0].time
    assert since is not None
    assert since > app.lines[0].time
    assert next(iter(provider.logs(entry.ref, follow=False, since=since, tail=None))).text == whole[0].text


def test_a_log_is_followed_over_a_broken_stream(ground: Ground) -> None:
    """Each line once and in order, whether the stream breaks before or after it; then an end of its own."""
    entry, _ = ground.deploy(spec_of("echo"))
    app, cloud = ground.app(entry.ref), ground.cloud
    for number in range(3):
        cloud.log(app, f"line {number}\n")
    cloud.fail(Fault("AppGetLogs", is_lost=True, times=1))
    followed = ground.provider().logs(entry.ref, follow=True, since=None, tail=None)
    heard = [next(followed) for _ in range(3)]
    for number in range(3, 6):
        cloud.log(app, f"line {number}\n")
        heard.append(next(followed))
    cloud.log(app, "its last wo")
    cloud.log(app, "rds\n")
    ground.provider().stop(entry.ref)
    heard += followed
    assert [line.text for line in heard] == [*(f"line {number}" for number in range(6)), "its last words"]
    assert heard == list(ground.provider().logs(entry.ref, follow=False, since=None, tail=None))


def test_a_follow_may_begin_with_what_comes(ground: Ground) -> None:
    """With a tail of none, the history stays where it is."""
    entry, _ = ground.deploy(spec_of("echo"))
    ground.cloud.log(ground.app(entry.ref), "before\n")
    followed = ground.provider().logs(entry.ref, follow=True, since=None, tail=0)
    ending = threading.Thread(target=_say_and_stop, args=(ground, entry.ref))
    ending.start()
    assert [line.text for line in followed] == ["after"]
    ending.join()


def _say_and_stop(ground: Ground, ref: Ref) -> None:
    until(lambda: bool(ground.cloud.calls_of("AppGetLogs")), "a follower")
    ground.cloud.log(ground.app(ref), "after\n")
    ground.provider().stop(ref)


def test_a_served_app_lasts_as_long_as_its_context(ground: Ground) -> None:
    """It takes callers meanwhile, and nothing but the secret is there afterwards."""
    entry = ground.begin(spec_of("echo"))
    with ground.provider().serve(ground.plan(spec_of("echo")), entry) as deployment:
        assert deployment.endpoint is not None
        assert ask(deployment.endpoint.url, "/livez") == 200
        assert ground.provider().status(entry.ref).state is State.LOADING
        (app,) = [one for one in ground.cloud.apps.values() if one.is_alive]
        assert app.state == api_pb2.APP_STATE_EPHEMERAL
    assert ground.left() == [entry.ref.label]
    ground.provider().destroy(entry.ref)
    assert ground.left() == []


def test_offers_are_this_workspaces_prices() -> None:
    """GPU, CPU and memory as they are kept for a container, a second's price as an hour's; what has none says so."""
    rates = {"cpu_core": "0.0000131", "memory_gib": "0.00000222", "gpu_l40s": "0.000542", "GPU H100 (hourly)": "3.95"}
    told = prices.offers(Need(), {name: Decimal(price) for name, price in rates.items()}, _NOON.timestamp())
    found = {one.gpu: one for one in told}
    assert found["L40S"].price_usd_per_hour == pytest.approx(1.9512 + 2 * 0.04716 + 8 * 0.007992, abs=1e-4)
    assert found["H100 SXM"].price_usd_per_hour == pytest.approx(3.95 + 2 * 0.04716 + 8 * 0.007992, abs=1e-4)
    assert found[None].price_usd_per_hour == pytest.approx(0.5 * 0.04716 + 0.5 * 0.007992, abs=1e-4)
    assert "GPU 1.9512 + 2 CPU 0.0943 + 8 GiB 0.0639" in found["L40S"].source
    assert (found["L40S"].as_of, found["L4"].price_usd_per_hour) == ("2026-11-21", None)


def test_offers_meet_the_need(ground: Ground) -> None:
    """A GPU by any of its names, enough memory, a price; none of it starts anything."""
    assert {one.gpu for one in ground.provider().offers(Need(gpu="A100-80GB"))} == {"A100 80GB SXM"}
    assert None not in {one.gpu for one in ground.provider().offers(Need(min_vram_gib=24))}
    cheap = ground.provider().offers(Need(min_vram_gib=20, max_price_usd_per_hour=1.0))
    assert {one.gpu for one in cheap if one.price_usd_per_hour} == {"L4"}
    assert ground.left() == []


_NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)

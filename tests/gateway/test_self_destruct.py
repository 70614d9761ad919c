"""The container's own end at its provider: when it is asked for and how, judged by a provider on the loopback."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import signal
import time
from collections.abc import AsyncIterator, Sequence

import pytest
from aiohttp import web
from tests.gateway.rig import Gateway, start, until

from plexctl.gateway import server
from plexctl.gateway.environment import Reader, SettingsError
from plexctl.gateway.logbook import Logbook
from plexctl.gateway.self_destruct import Order, judge, read_order, until_gone
from plexctl.gateway.settings import Settings

CANARY = "canary-key-77c1"
Answer = tuple[int, str]


class Provider:
    """Answers each DELETE with the next of its answers, the last one for ever, and keeps what was asked."""

    def __init__(self, answers: Sequence[Answer]) -> None:
        self.asked: list[tuple[str, str, str]] = []
        self.url = ""
        self._answers = list(answers)

    async def answer(self, request: web.Request) -> web.Response:
        """Take note of method, path and header."""
        self.asked.append((request.method, request.path_qs, request.headers.get("Authorization", "")))
        assert await request.read() == b""
        status, body = self._answers[0] if len(self._answers) == 1 else self._answers.pop(0)
        headers = {"Retry-After": "0"} if status == 429 else {}
        return web.Response(status=status, text=body or None, headers=headers)


@contextlib.asynccontextmanager
async def provider(*answers: Answer) -> AsyncIterator[Provider]:
    """Run a provider."""
    one = Provider(answers)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", one.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    one.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield one
    finally:
        await runner.cleanup()


def runpod(url: str, **variables: str) -> dict[str, str]:
    """Return what RunPod and plexctl set in a pod."""
    pod = {"RUNPOD_POD_ID": "xedezhzb9la3ye", "RUNPOD_API_KEY": CANARY, "PLEXCTL_RUNPOD_URL": url}
    return {"PLEXCTL_SELF_DESTRUCT": "runpod", **pod, **variables}


def vast(url: str, **variables: str) -> dict[str, str]:
    """Return what Vast.ai and plexctl set in an instance."""
    instance = {"CONTAINER_ID": "4242", "CONTAINER_API_KEY": CANARY, "VAST_URL": url}
    return {"PLEXCTL_SELF_DESTRUCT": "vast", **instance, **variables}


def order_of(variables: dict[str, str]) -> Order:
    """Return the order in an environment."""
    order = read_order(Reader(variables))
    assert order is not None
    return order


async def told(variables: dict[str, str], limit_s: float = 5.0) -> list[str]:
    """Ask until it is over, without pauses; return what was said."""
    said: list[str] = []
    async with asyncio.timeout(limit_s):
        await until_gone(order_of(variables), said.append, first_pause_s=0.001)
    return said


GONE_AT_VAST = (404, '{"success": false, "error": "no_such_instance", "msg": "Instance not found"}')


async def test_runpod_is_asked_until_the_pod_is_unknown() -> None:
    """DELETE of this pod with its own key in one header; a yes is read back."""
    async with provider((204, ""), (404, '{"title": "Not Found", "detail": "pod not found"}')) as api:
        said = await told(runpod(api.url))
    assert api.asked == [("DELETE", "/v2/pods/xedezhzb9la3ye", f"Bearer {CANARY}")] * 2
    assert said[-1] == "RunPod has ended this container: knows no such container (404, pod not found)"
    assert CANARY not in "".join(said)


async def test_vast_is_asked_until_the_instance_is_unknown() -> None:
    """DELETE of this instance, the path with its last slash; `success: false` is no yes whatever the status."""
    answers = ((200, '{"success": false, "error": "busy"}'), (200, '{"success": true}'), GONE_AT_VAST)
    async with provider(*answers) as api:
        said = await told(vast(api.url))
    assert api.asked == [("DELETE", "/api/v0/instances/4242/", f"Bearer {CANARY}")] * 3
    assert [line.split(";")[0] for line in said[1:3]] == [
        "Vast.ai did not end this container (200, busy)",
        "Vast.ai ends this container (200)",
    ]


@pytest.mark.parametrize(
    "answers",
    [
        ((500, "oops"), (503, ""), (204, ""), (404, "")),
        ((429, "API requests too frequent: endpoint threshold=3.0"), (204, ""), (404, "")),
        ((403, '{"detail": "key"}'), (204, ""), (401, "")),
        ((301, ""), (204, ""), (410, "")),
        ((404, ""), (404, ""), (404, "")),
        ((404, ""), (404, ""), (500, ""), (404, ""), (404, ""), (404, "")),
    ],
)
async def test_it_is_over_only_when_the_provider_says_so(answers: tuple[Answer, ...]) -> None:
    """Errors, limits and refusals are tried again; unknown without a yes before counts at the third time in a row."""
    async with provider(*answers) as api:
        said = await told(runpod(api.url))
    assert len(api.asked) == len(answers)
    assert "has ended this container" in said[-1]


async def test_a_provider_that_cannot_be_reached_is_tried_again() -> None:
    """Nobody listens: it says so, and goes on."""
    async with provider((204, "")) as api:
        url = api.url
    with pytest.raises(TimeoutError):
        await told(runpod(url), limit_s=0.3)
    assert judge(403, b"", "").words == (
        "does not let this container end itself (403), which bills on: end it yourself, "
        "or with `plexctl gc --expired --delete`"
    )
    assert judge(429, b"slow down", "17").retry_after_s == 17


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"PLEXCTL_SELF_DESTRUCT": "aws"}, "PLEXCTL_SELF_DESTRUCT='aws'"),
        (runpod("http://192.0.2.1"), "PLEXCTL_RUNPOD_URL"),
        (runpod("https://api.example/v2"), "PLEXCTL_RUNPOD_URL"),
        (runpod("https://user@api.example"), "PLEXCTL_RUNPOD_URL"),
        (vast("ftp://127.0.0.1"), "VAST_URL"),
        (vast("http://127.0.0.1:port"), "VAST_URL"),
        (runpod("", RUNPOD_POD_ID="../users"), "RUNPOD_POD_ID"),
        (vast("", CONTAINER_API_KEY="a b"), "CONTAINER_API_KEY"),
    ],
)
def test_what_cannot_be_is_refused_before_a_start(variables: dict[str, str], words: str) -> None:
    """A provider that is none, a key that would travel in the clear or elsewhere, an id that is a path."""
    with pytest.raises(SettingsError, match=words) as caught:
        read_order(Reader(variables))
    assert CANARY not in str(caught.value)


def test_without_overrides_it_is_the_providers_own_address() -> None:
    """The public APIs, by HTTPS; nothing at all when nothing is asked for."""
    assert order_of(runpod("")).url == "https://api.runpod.io/v2/pods/xedezhzb9la3ye"
    assert order_of(vast("")).url == "https://console.vast.ai/api/v0/instances/4242/"
    assert read_order(Reader({"RUNPOD_POD_ID": "x", "RUNPOD_API_KEY": CANARY})) is None


async def test_without_a_key_nothing_is_sent_and_it_is_said() -> None:
    """A container that was given no key says so at its start and at its end."""
    order = order_of(runpod("", RUNPOD_API_KEY=""))
    said: list[str] = []
    await until_gone(order, said.append)
    assert said == [order.in_words()]
    assert "RUNPOD_API_KEY" in said[0]


@pytest.mark.parametrize("name", ["RUNPOD_API_KEY", "CONTAINER_API_KEY"])
def test_the_key_is_in_no_repr_no_log_and_no_engine(name: str) -> None:
    """It is blotted out of every line, and engines do not inherit it."""
    environment = {**runpod(""), **vast(""), "PLEXCTL_ENGINE": "echo", "PLEXCTL_HOST": "127.0.0.1"}
    settings = Settings.from_environment(environment)
    assert CANARY not in repr(settings)
    assert CANARY in settings.secrets
    assert name not in settings.engine.environment


async def ended(gateway: Gateway) -> int:
    """Wait until a gateway has ended by itself; returns its exit code."""
    async with asyncio.timeout(15):
        await gateway.process.wait()
    return await gateway.stop()


async def test_the_expiry_ends_the_container() -> None:
    """At PLEXCTL_EXPIRES_AT the real gateway drains, asks, answers /health meanwhile, and ends when it is gone."""
    async with provider((204, ""), (404, "")) as api:
        gateway = await start(**runpod(api.url, PLEXCTL_EXPIRES_AT=str(time.time() + 0.5)))
        await gateway.line("RunPod ends this container (204); asks again in 3 s")
        assert (await gateway.health())["state"] == "draining"
        assert await ended(gateway) == 0
    assert len(api.asked) == 2
    text = "\n".join(gateway.lines)
    assert f"asks RunPod to end this container: DELETE {api.url}/v2/pods/xedezhzb9la3ye" in text
    assert CANARY not in text


async def test_the_idle_limit_ends_the_container_but_not_while_it_loads() -> None:
    """Idleness begins when somebody could talk: an engine that takes longer to load than the limit is waited for."""
    async with provider((200, '{"success": true}')) as api:
        gateway = await start(**vast(api.url, PLEXCTL_IDLE_TIMEOUT_S="0.5", PLEXCTL_ECHO_LOAD_S="1"))
        await gateway.line("Vast.ai ends this container (200)")
        text = "\n".join(gateway.lines)
        assert text.index("engine-0 is ready") < text.index("draining: no conversation for 0 s")
        # The provider's way to end a container.
        assert await gateway.stop() == 0
    assert "stopped" in gateway.lines[-1]


async def test_nothing_but_the_clock_ends_the_container() -> None:
    """Not an engine that was given up, and not SIGTERM."""
    async with provider((204, "")) as api:
        gateway = await start(**runpod(api.url, PLEXCTL_ECHO_FAULT="oom"))
        await gateway.state("failed")
        assert await gateway.stop() == 0
    assert "at its end this container ends itself at RunPod" in "\n".join(gateway.lines)
    assert api.asked == []


async def test_a_signal_during_the_drain_leaves_the_container_to_its_sender() -> None:
    """Also where the clock began the drain: whoever stops a container may want to start it again."""
    async with provider((404, "")) as api:
        variables = {"PLEXCTL_ENGINE": "echo", "PLEXCTL_HOST": "127.0.0.1"}
        settings = Settings.from_environment(runpod(api.url, **variables))
        logbook, stop = Logbook(io.StringIO()), server._Stop()
        os.kill(os.getpid(), signal.SIGTERM)
        assert await stop.next() == "SIGTERM"
        await server._end_container(settings, logbook, stop)
    assert api.asked == []
    assert logbook.tail(9) == []


async def test_a_kill_ends_the_asking() -> None:
    """SIGTERM while the provider does not answer well: the gateway ends at once, with 0."""
    async with provider((500, "")) as api:
        gateway = await start(**runpod(api.url, PLEXCTL_EXPIRES_AT=str(time.time())))

        async def is_asked() -> bool | None:
            return True if api.asked else None

        await until(is_asked)
        assert await gateway.stop() == 0

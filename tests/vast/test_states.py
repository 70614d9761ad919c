"""What Vast says of an instance, in the shapes that it says it, as one of plexctl's states and words."""

from __future__ import annotations

from typing import Any

import pytest
from tests.clouds.vast.world import CUDA, VastWorld
from tests.contract.steps import begin, bring_up

from plexctl.journal import Journal
from plexctl.model import Endpoint
from plexctl.states import State
from plexctl_providers.vast.rows import endpoint_at, read_instance, read_ref
from plexctl_providers.vast.states import STATE_MAP, status_of

MAPPED = {"8998/tcp": [{"HostIp": "0.0.0.0", "HostPort": "40123"}]}
ROW: dict[str, Any] = {
    "id": 7,
    "label": "plexctl-voice-abc234",
    "actual_status": "running",
    "intended_status": "running",
}
ENDPOINT = Endpoint("https://h:1", "wss://h:1/api/chat", "sha256:" + "a" * 64)


def status(**changes: Any) -> tuple[State, str]:
    """Read a row with an endpoint at hand."""
    found = status_of(read_instance(ROW | changes), ENDPOINT)
    return found.state, found.detail


@pytest.mark.parametrize(
    ("actual", "state"),
    [
        (None, State.CREATING),
        ("created", State.CREATING),
        ("loading", State.CREATING),
        ("scheduling", State.CREATING),
        ("rebooting", State.CREATING),
        ("running", State.LOADING),
        ("stopped", State.STOPPED),
        ("frozen", State.STOPPED),
        ("exited", State.FAILED),
        ("unknown", State.FAILED),
        ("offline", State.FAILED),
    ],
)
def test_each_row_of_the_map(actual: str | None, state: State) -> None:
    """Every state that Vast documents is one of ours, with words for a reader."""
    assert STATE_MAP[actual] is state
    assert status(actual_status=actual)[0] is state
    assert status(actual_status=actual)[1]


def test_the_map_has_no_row_without_a_test() -> None:
    """Eleven states, and a word that nobody knows."""
    assert len(STATE_MAP) == 11
    assert status(actual_status="melting") == (State.UNKNOWN, "Vast calls it 'melting', which nobody documents")


@pytest.mark.parametrize("actual", [None, "created", "loading"])
@pytest.mark.parametrize(
    "words",
    [
        CUDA,
        "Error: OCI runtime create failed: runc create failed",
        "Error response from daemon: could not select device driver",
        "write /var/lib/docker: no space left on device",
    ],
)
def test_a_host_that_cannot_is_told_by_its_words(actual: str | None, words: str) -> None:
    """Vast goes on calling it `created`: the container's error says that it never will be more."""
    state, said = status(actual_status=actual, status_msg=words)
    assert state is State.FAILED
    assert said == f"its host cannot run it: {words}"


@pytest.mark.parametrize(
    "words",
    [
        "Error response from daemon: manifest for ghcr.io/me/personaplex:nope not found: manifest unknown",
        "Error response from daemon: pull access denied for me/personaplex",
        'Head "https://ghcr.io/v2/me/x/manifests/1": unauthorized: authentication required',
    ],
)
def test_an_image_that_cannot_be_pulled_is_told_as_such(words: str) -> None:
    """It is not the host's fault, and no other host will do better."""
    assert status(actual_status="loading", status_msg=words) == (State.FAILED, f"its image cannot be pulled: {words}")


def test_words_that_are_no_error_are_only_shown() -> None:
    """A slow pull is not a bad host."""
    words = "latest: Pulling from me/personaplex"
    assert status(actual_status="loading", status_msg=words)[0] is State.CREATING
    assert words in status(actual_status="loading", status_msg=words)[1]


@pytest.mark.parametrize(
    "row",
    [
        {"actual_status": "running", "cur_state": "stopped", "next_state": "stopped"},
        {"actual_status": "exited", "intended_status": "stopped"},
        {"actual_status": "offline", "intended_status": "stopped"},
        {"actual_status": None, "intended_status": "stopped"},
        {"actual_status": "stopped", "intended_status": None},
        {"actual_status": "exited", "intended_status": None, "cur_state": "stopped"},
    ],
)
def test_what_is_meant_to_be_stopped_is(row: dict[str, Any]) -> None:
    """Stopped by us, by a higher bid, or for want of credit: not failed."""
    assert status(**row)[0] in (State.STOPPED, State.DRAINING)


@pytest.mark.parametrize(
    ("ports", "port"),
    [
        (MAPPED, 40123),
        ({"8998/tcp": [{"HostPort": "1"}, {"HostPort": "2"}]}, 1),
        ({"22/tcp": [{"HostPort": "1"}]}, None),
        ({"8998/tcp": None}, None),
        ({"8998/tcp": []}, None),
        ({"8998/tcp": [{}]}, None),
        ({"8998/tcp": ["40123"]}, None),
        ({"8998/tcp": "40123"}, None),
        ({"8998/tcp": [{"HostPort": "0"}]}, None),
        ({"8998/tcp": [{"HostPort": "65536"}]}, None),
        ({"8998/tcp": [{"HostPort": "9" * 5000}]}, None),
        ({"8998/tcp": [{"HostPort": ["40123"]}]}, None),
        ([40123], None),
        ({}, None),
        (None, None),
    ],
)
def test_the_port_is_in_the_map_or_nowhere(ports: object, port: int | None) -> None:
    """Text in a map of lists; the description's array of integers and everything half made is no port yet."""
    assert read_instance(ROW | {"ports": ports}).port == port


def test_an_address_has_no_line_end() -> None:
    """Vast tells it with one."""
    instance = read_instance(ROW | {"public_ipaddr": "203.0.113.7\n", "ports": MAPPED})
    endpoint = endpoint_at(instance, ENDPOINT.tls)
    assert endpoint == Endpoint("https://203.0.113.7:40123", "wss://203.0.113.7:40123/api/chat", ENDPOINT.tls)
    assert endpoint_at(read_instance(ROW | {"public_ipaddr": "2001:db8::1", "ports": MAPPED}), "none") == Endpoint(
        "http://[2001:db8::1]:40123", "ws://[2001:db8::1]:40123/api/chat", "none"
    )


@pytest.mark.parametrize("address", [None, "", [], "a b", "host/path", "user@host", "[::1", "a:b", "h:80\n", "?"])
def test_what_is_no_address_is_none_yet(address: object) -> None:
    """It never becomes a part of a URL; who follows waits on."""
    row = ROW | {"public_ipaddr": address, "ports": MAPPED}
    assert endpoint_at(read_instance(row), "none") is None


@pytest.mark.parametrize("odd", [[], {}, [None], {"a": []}, 7, 1e400, True, "", "\u2603"], ids=repr)
@pytest.mark.parametrize(
    "name",
    [
        "label",
        "actual_status",
        "intended_status",
        "cur_state",
        "next_state",
        "status_msg",
        "public_ipaddr",
        "ports",
        "machine_id",
        "extra_env",
    ],
)
def test_no_field_is_too_odd(name: str, odd: object) -> None:
    """Whatever a field is, the row is read and has a state."""
    instance = read_instance(ROW | {"public_ipaddr": "203.0.113.7", "ports": MAPPED, name: odd})
    assert isinstance(status_of(instance, endpoint_at(instance, "none")).state, State)


def test_secrets_stop_at_the_row() -> None:
    """Keys, tokens and the environment that Vast echoes are not in what is kept of an instance."""
    echoed = [["PLEXCTL_TOKEN", "canary"], ["HF_TOKEN", "canary"], ["MINE", "canary"], ["PLEXCTL_ENGINE", "echo"]]
    for extra in (echoed, dict(echoed), None, ["odd"]):
        row = ROW | {"extra_env": extra, "instance_api_key": "canary", "jupyter_token": "canary"}
        assert "canary" not in repr(read_instance(row))
    assert read_instance(ROW | {"extra_env": echoed}).settings == {"PLEXCTL_ENGINE": "echo"}


@pytest.mark.parametrize("label", ["", "mine", "plexctl-", "plexctl-voice", "plexctl-Voice-abc", "xplexctl-voice-abc"])
def test_what_is_not_ours_is_left_alone(label: str) -> None:
    """Only a label of plexctl's form is a deployment."""
    assert read_ref(read_instance(ROW | {"label": label})) is None


def test_a_name_with_hyphens_keeps_them() -> None:
    """The id is what follows the last one."""
    ref = read_ref(read_instance(ROW | {"label": "plexctl-my-own-voice-abc234"}))
    assert ref is not None
    assert (ref.name, ref.id) == ("my-own-voice", "abc234")


def test_a_start_seen_step_by_step(world: VastWorld, journal: Journal) -> None:
    """Silent, created, pulling, running without a port, running with it: no endpoint before the last."""
    cloud = world.cloud
    cloud.life = ((0, None), (20, "created"), (40, "loading"), (60, "running"))
    cloud.ports_as = "absent"
    entry = begin(world, journal)
    assert bring_up(world, entry).endpoint is None
    seen = []
    for _ in range(4):
        found = world.provider().status(entry.ref)
        seen.append((found.state, found.endpoint, found.detail))
        cloud.clock.sleep(20)
    assert [state for state, _, _ in seen] == [State.CREATING] * 4
    assert [endpoint for _, endpoint, _ in seen] == [None] * 4
    assert seen[-1][2] == "running; its port is not mapped yet"
    cloud.instances[9000].ports_as = "map"
    cloud.clock.sleep(3)
    found = world.provider().status(entry.ref)
    assert found.state is State.LOADING
    assert found.endpoint is not None


@pytest.mark.parametrize("shape", ["absent", "null", "array"])
def test_a_wrong_shape_of_ports_is_no_crash(world: VastWorld, journal: Journal, shape: str) -> None:
    """It is waited for, until the core's own limit."""
    world.cloud.ports_as = shape
    entry = begin(world, journal)
    assert bring_up(world, entry).endpoint is None
    assert world.provider().status(entry.ref).state is State.CREATING


def test_a_gateway_without_tls_is_for_the_loopback(world: VastWorld, journal: Journal) -> None:
    """An older image on a public address would carry the token in the clear: it failed, with what to do."""
    entry = begin(world, journal)
    assert (bring_up(world, entry).endpoint or ENDPOINT).tls == "none"
    world.cloud.instances[9000].extra = {"public_ipaddr": "203.0.113.7"}
    world.cloud.clock.sleep(60)
    found = world.provider().status(entry.ref)
    assert found.state is State.FAILED
    assert found.endpoint is None
    assert "serves no TLS" in found.detail

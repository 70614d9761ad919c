"""Keys and tokens: in the one body that must carry them, and nowhere else, whatever Vast echoes."""

from __future__ import annotations

import logging
import sys

import pytest
from tests.clouds.vast.cloud import KEY
from tests.clouds.vast.faults import Answer
from tests.clouds.vast.world import VastWorld
from tests.contract.steps import begin, bring_up

from plexctl.contract import Context
from plexctl.errors import ConfigurationError, CredentialsError, ExtraMissingError, PlexError
from plexctl.journal import Journal
from plexctl.secret import Secret
from plexctl_providers.vast.adapter import VastProvider

CANARY = 'canary "quoted" \\ 7f3a'


def test_an_echo_of_the_environment_is_blotted_out(world: VastWorld, journal: Journal) -> None:
    """An API that repeats what it was sent, as text or as JSON, shows neither token nor key in an error."""
    words = f"bad env: PLEXCTL_TOKEN={CANARY} key={KEY}"
    for answer in (Answer.refusal(400, "invalid_args", words), Answer(400, words.encode())):
        world.cloud.fail("create", answer)
        with pytest.raises(PlexError) as caught:
            bring_up(world, begin(world, journal), secrets={"PLEXCTL_TOKEN": Secret(CANARY)})
        shown = f"{caught.value} {caught.value.hint} {caught.value.data} {caught.value.__cause__!r}"
        assert "canary" not in shown
        assert "***" in shown
        journal.entry(journal.records()[0].ref.id).gone()


@pytest.mark.parametrize("value", ["1", "true", "id", '"', "{"])
def test_a_secret_that_is_a_word_of_every_answer_breaks_nothing(world: VastWorld, journal: Journal, value: str) -> None:
    """What Vast answers is read as it is: only what is shown is blotted."""
    entry = begin(world, journal)
    assert bring_up(world, entry, secrets={"PLEXCTL_TOKEN": Secret(value)}).endpoint is not None
    assert [str(number) for number in world.cloud.instances] == [entry.ref.resources[0].id]


def test_a_secret_is_blotted_before_words_are_cut(world: VastWorld, journal: Journal) -> None:
    """Its first half would be left at the end of what is shown."""
    token = "canary-" + "x" * 60
    world.cloud.fail("create", Answer.refusal(400, "invalid_args", "y" * 280 + token))
    with pytest.raises(PlexError) as caught:
        bring_up(world, begin(world, journal), secrets={"PLEXCTL_TOKEN": Secret(token)})
    assert "canary" not in caught.value.message


def test_everything_a_life_shows_is_clean(
    world: VastWorld, journal: Journal, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Status, find, logs, journal, standard streams, Python's log: no token, no key, none of Vast's own."""
    caplog.set_level(logging.DEBUG)
    entry = begin(world, journal)
    made = bring_up(world, entry, secrets={"PLEXCTL_TOKEN": Secret("canary-7f3a")})
    provider = world.provider({"PLEXCTL_TOKEN": Secret("canary-7f3a")})
    told = [made, entry.record, provider.status(entry.ref), provider.find(None), vars(world.pace)]
    told += [
        list(provider.logs(entry.ref, follow=False, since=None, tail=None)),
        provider.preflight(world.spec("voice")),
    ]
    world.provider().destroy(entry.ref)
    shown = repr(told) + repr(capfd.readouterr()) + caplog.text
    assert "canary" not in shown
    assert capfd.readouterr().err == ""


def test_the_vendors_client_stays_quiet_and_asks_once(world: VastWorld) -> None:
    """No handler of its own on standard error, no explanations, no repeats."""
    adapter = world.adapter()
    adapter.check_credentials()
    client = adapter._client._sdk.client
    assert (client.retry, client.explain, client.curl) == (1, False, False)
    assert [type(one) for one in logging.getLogger("vastai").handlers if type(one) is logging.StreamHandler] == []


def test_nothing_of_the_vendors_is_loaded_for_a_plan() -> None:
    """Its import takes half a second: only what asks Vast pays for it."""
    import subprocess

    code = "import sys; import plexctl_providers.vast.adapter; print({'vastai', 'requests'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize(
    "url",
    [
        "http://203.0.113.7",
        "ftp://127.0.0.1",
        "http://vast.example",
        "http://[",
        "https://",
        "https://h:x",
        "https://h:99999",
        "https://me:canary@vast.example",
        "rubbish",
    ],
)
def test_the_key_never_goes_out_in_the_clear(world: VastWorld, url: str) -> None:
    """Another API is https, or this machine's."""
    context = Context(world.home, {"VAST_API_KEY": KEY, "VAST_URL": url}, {}, world.cloud.clock.wall)
    with pytest.raises(ConfigurationError, match="VAST_URL") as caught:
        VastProvider(context, pace=world.pace).check_credentials()
    assert "canary" not in caught.value.message


@pytest.mark.parametrize("key", ["canary-\u2603", "canary\nX-Other: 1", "canary-\x00", "canary-\xe4"])
def test_a_key_that_no_header_carries_is_said(world: VastWorld, key: str) -> None:
    """Exit 4 and no traceback; it is not shown."""
    context = Context(world.home, {"VAST_API_KEY": key, "VAST_URL": world.cloud.url}, {}, world.cloud.clock.wall)
    with pytest.raises(CredentialsError, match="no header carries") as caught:
        VastProvider(context, pace=world.pace).check_credentials()
    assert "canary" not in f"{caught.value.message} {caught.value.hint}"
    assert world.cloud.requests == []


def test_a_saved_key_that_is_rubbish_is_said(world: VastWorld) -> None:
    """Not UTF-8: exit 4."""
    world.home.mkdir()
    (world.home / ".vast_api_key").write_bytes(b"\xff\xfe")
    client = VastProvider(Context(world.home, {"HOME": str(world.home)}, {}, world.cloud.clock.wall))._client
    with pytest.raises(CredentialsError, match="no header carries"):
        _ = client._key


def test_a_saved_key_is_for_vast_alone(world: VastWorld) -> None:
    """The file of Vast's own command line is read where there is no variable, and never for an emulator."""
    folder = world.home / ".config" / "vastai"
    folder.mkdir(parents=True)
    (folder / "vast_api_key").write_text("saved-key\n", encoding="utf-8")
    for environment, is_found in (
        ({"HOME": str(world.home)}, True),
        ({"HOME": str(world.home), "VAST_URL": world.cloud.url}, False),
    ):
        client = VastProvider(Context(world.home, environment, {}, world.cloud.clock.wall))._client
        if is_found:
            assert client._key == Secret("saved-key")
        else:
            with pytest.raises(CredentialsError):
                _ = client._key


def test_without_the_extra_it_says_what_to_install(world: VastWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing package is exit 12 with the command that mends it."""
    monkeypatch.setitem(sys.modules, "vastai", None)
    with pytest.raises(ExtraMissingError) as caught:
        world.provider().find(None)
    assert caught.value.hint == "pip install 'plexctl[vast]'"

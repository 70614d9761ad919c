from __future__ import annotations

from pathlib import Path

import pytest

from plexctl.gateway.settings import DEFAULT_TEXT_PROMPT, MAX_PROMPT_CHARACTERS, Settings, SettingsError
from plexctl.gateway.voices import UPSTREAM_VOICES, is_plain_name, voices_in

ECHO = {"PLEXCTL_ENGINE": "echo", "PLEXCTL_HOST": "127.0.0.1"}


def test_defaults_are_those_of_the_design() -> None:
    """An environment that says next to nothing gives the documented defaults."""
    settings = Settings.from_environment({"PLEXCTL_ENGINE": "echo", "PLEXCTL_TOKEN": "t"})
    assert (settings.listening.host, settings.listening.port) == ("0.0.0.0", 8998)
    assert settings.text_prompt == DEFAULT_TEXT_PROMPT
    assert len(DEFAULT_TEXT_PROMPT) <= MAX_PROMPT_CHARACTERS
    assert settings.voices == UPSTREAM_VOICES
    assert (settings.engine.count, settings.engine.capacity) == (1, None)
    limits = settings.limits
    assert (limits.handshake_s, limits.silence_s, limits.heartbeat_s, limits.drain_s) == (120, 30, 10, 20)
    assert (limits.session_s, limits.idle_s, limits.expires_at) == (None, None, None)
    assert (settings.listening.has_tls, settings.self_destruct) == (False, None)


@pytest.mark.parametrize(
    ("variables", "port"),
    [({}, 8998), ({"PORT": "8080"}, 8080), ({"PORT": "8080", "PLEXCTL_PORT": "9000"}, 9000)],
)
def test_the_port_is_plexctls_then_the_platforms(variables: dict[str, str], port: int) -> None:
    """PLEXCTL_PORT wins over PORT, which wins over 8998."""
    assert Settings.from_environment({**ECHO, **variables}).listening.port == port


@pytest.mark.parametrize(
    ("raw", "moment"),
    [
        ("1764612000", 1764612000.0),
        ("2025-12-01T18:00:00Z", 1764612000.0),
        ("2025-12-01T18:00:00", 1764612000.0),
        ("2025-12-01T20:00:00+02:00", 1764612000.0),
    ],
)
def test_expiry_is_iso_or_unix(raw: str, moment: float) -> None:
    """ISO 8601 without a zone is UTC."""
    assert Settings.from_environment({**ECHO, "PLEXCTL_EXPIRES_AT": raw}).limits.expires_at == moment


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PLEXCTL_PORT", "-1"),
        ("PLEXCTL_PORT", "65536"),
        ("PLEXCTL_PORT", "\u0661"),
        ("PLEXCTL_PORT", "1" * 5000),
        ("PLEXCTL_MAX_SESSION_S", "nan"),
        ("PLEXCTL_MAX_SESSION_S", "inf"),
        ("PLEXCTL_MAX_SESSION_S", "0"),
        ("PLEXCTL_CPU_OFFLOAD", "perhaps"),
        ("PLEXCTL_ENGINE_CAPACITY", "0"),
        ("PLEXCTL_ENGINES", "0"),
        ("PLEXCTL_STATIC", "/no/such/folder"),
        ("PLEXCTL_VOICE_DIR", "/no/such/folder"),
        ("PLEXCTL_ENGINE_SCRIPT", "/no/such/file"),
        ("PLEXCTL_LISTEN_FD", "stdin"),
        ("PLEXCTL_HOST", "0.0.0.0"),
        ("PLEXCTL_HOST", "example.org"),
        ("PLEXCTL_TOKEN", "line\nbreak"),
        ("PLEXCTL_VOICE", "NOBODY.pt"),
        ("PLEXCTL_TLS", "yes"),
        ("PLEXCTL_SELF_DESTRUCT", "aws"),
    ],
)
def test_a_bad_value_names_its_variable(name: str, value: str) -> None:
    """Each refusal names the variable; only the open host names the token that is missing."""
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment({**ECHO, name: value})
    assert ("PLEXCTL_TOKEN" if name == "PLEXCTL_HOST" else name) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost"])
def test_an_open_gateway_may_listen_on_the_loopback(host: str) -> None:
    """Without a token only this machine may come in."""
    assert Settings.from_environment({**ECHO, "PLEXCTL_HOST": host}).token == ""


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "[::1]", "localhost"])
def test_an_open_gateway_may_be_published_on_the_loopback(host: str) -> None:
    """In a container it listens on every address, and only this machine may come in all the same."""
    settings = Settings.from_environment({**ECHO, "PLEXCTL_HOST": "0.0.0.0", "PLEXCTL_PUBLISHED_ON": host})
    assert settings.token == ""


@pytest.mark.parametrize(("host", "published_on"), [("0.0.0.0", "192.0.2.1"), ("127.0.0.1", "0.0.0.0")])
def test_where_it_is_published_decides(host: str, published_on: str) -> None:
    """A published address that others reach is refused, wherever the gateway itself listens."""
    with pytest.raises(SettingsError, match="PLEXCTL_TOKEN"):
        Settings.from_environment({**ECHO, "PLEXCTL_HOST": host, "PLEXCTL_PUBLISHED_ON": published_on})


def test_secrets_are_in_no_repr_and_not_in_the_engines_environment() -> None:
    """The token reaches neither a log through repr nor an engine; the hub's token reaches the engine only."""
    settings = Settings.from_environment({**ECHO, "PLEXCTL_TOKEN": "canary-1", "HF_TOKEN": "canary-2"})
    assert "canary" not in repr(settings)
    assert "canary-1" not in settings.engine.environment.values()
    assert settings.engine.environment["HF_TOKEN"] == "canary-2"
    assert set(settings.secrets) == {"canary-1", "canary-2"}


def test_own_voices_are_added(tmp_path: Path) -> None:
    """Files of a voice folder are allowed by their names; what is no plain voice file is not."""
    for name in ("MINE.pt", "me.wav", "notes.txt", ".hidden.pt"):
        (tmp_path / name).touch()
    (tmp_path / "folder.pt").mkdir()
    assert voices_in(tmp_path) == (*UPSTREAM_VOICES, "MINE.pt", "me.wav")


@pytest.mark.parametrize("name", ["", "../a.pt", "/a.pt", "a/b.pt", "a\\b.pt", "a\0.pt", ".pt", "a\n.pt"])
def test_a_voice_is_never_a_path(name: str) -> None:
    """Names with anything of a path in them are no voices."""
    assert not is_plain_name(name)


def test_named_secrets_are_blotted_out_of_logs() -> None:
    """PLEXCTL_SECRETS names what no log may show, longest first, so that no part of one survives another."""
    settings = Settings.from_environment(
        ECHO | {"PLEXCTL_SECRETS": "A,B,UNSET", "A": "short", "B": "short-and-longer", "PLEXCTL_TOKEN": "t"}
    )
    assert settings.secrets == ("short-and-longer", "short", "t")

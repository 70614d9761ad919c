"""Secrets, variables, durations and moments as people write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from plexctl import config
from plexctl.cli.options import moment, seconds
from plexctl.errors import ConfigurationError, PlexError, UsageError
from plexctl.secret import Secret
from plexctl.spec import Spec

NOON = 1_796_126_400.0
CANARY = "canary-55d0"


def test_a_secret_comes_from_the_environment_or_a_file(tmp_path: Path) -> None:
    """`--secret KEY` and `--secret KEY=@FILE`; the last newline of a file is none of the value's."""
    file = tmp_path / "token"
    file.write_text(f"{CANARY}\r\n")
    sources = config.secret_sources(["A", f"B=@{file}"])
    assert sources == {"A": None, "B": file}
    values = config.secret_values(["A", "B"], {"A": "from the environment", "B": "not this"}, sources)
    assert values == {"A": Secret("from the environment"), "B": Secret(CANARY)}


@pytest.mark.parametrize(
    "option", [f"KEY={CANARY}", "KEY=", f"{CANARY} KEY", f"=@{CANARY}", f"{CANARY}={CANARY}=@x", f"-{CANARY}", ""]
)
def test_a_secrets_value_on_the_command_line_is_refused_and_not_repeated(option: str) -> None:
    """What was typed by mistake is not printed a second time; the hint says how it is done."""
    with pytest.raises(UsageError) as caught:
        config.secret_sources([option])
    assert CANARY not in f"{caught.value.message} {caught.value.hint}"
    assert caught.value.hint


def test_a_secret_that_is_nowhere_is_named() -> None:
    """Unset and empty are the same: the error names the secret and both ways to give it."""
    for environ in ({}, {"KEY": ""}):
        with pytest.raises(ConfigurationError, match="KEY is not set") as caught:
            config.secret_values(["KEY"], environ, {})
        assert "--secret KEY=@FILE" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "No such file"), (b"", "is empty"), (b"\n", "is empty"), (b"\xff", "not UTF-8"), (b"a\0b", "NUL")],
)
def test_a_file_that_holds_no_secret_is_named_without_its_content(
    tmp_path: Path, content: bytes | None, words: str
) -> None:
    """Missing, empty, or not text: each in words, and nothing of the content."""
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=words) as caught:
        config.read_secret_file(file)
    assert str(file) in caught.value.message


def test_a_secret_may_have_lines_and_spaces(tmp_path: Path) -> None:
    """Only newlines at the very end are cut: a key in PEM stays whole."""
    file = tmp_path / "key"
    file.write_text("line 1\n line 2 \n\n")
    assert config.read_secret_file(file).reveal() == "line 1\n line 2 "


@pytest.mark.parametrize(
    ("spec", "environ", "given", "expected"),
    [
        (Spec(), {}, (), ()),
        (Spec(), {"PLEXCTL_TOKEN": "t", "HF_TOKEN": "h", "OTHER": "o"}, (), ("HF_TOKEN", "PLEXCTL_TOKEN")),
        (Spec(engine="echo"), {"PLEXCTL_TOKEN": "t", "HF_TOKEN": "h"}, (), ("PLEXCTL_TOKEN",)),
        (Spec(engine="echo"), {"HF_TOKEN": "h"}, ("HF_TOKEN",), ("HF_TOKEN",)),
        (Spec(secrets=("B", "A")), {}, ("A", "C"), ("A", "B", "C")),
        (Spec(), {"PLEXCTL_TOKEN": "", "HF_TOKEN": ""}, (), ()),
    ],
)
def test_the_tokens_that_are_set_are_among_the_secrets(
    spec: Spec, environ: dict[str, str], given: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    """The access token always, the Hub's for an engine that downloads; sorted, each once."""
    assert config.with_implied_secrets(spec, environ, given).secrets == expected


@pytest.mark.parametrize("name", ["PLEXCTL_TOKEN", "HF_TOKEN"])
def test_a_token_is_no_plain_variable(name: str) -> None:
    """`env` is recorded and shown: a token in it is refused, without its value."""
    with pytest.raises(ConfigurationError, match=name) as caught:
        config.with_implied_secrets(Spec(env={name: CANARY}), {})
    assert CANARY not in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], {}),
        (["A=1", "B="], {"A": "1", "B": ""}),
        (["A=x=y"], {"A": "x=y"}),
        (["A=1", "A=2"], {"A": "2"}),
        (["A= b "], {"A": " b "}),
    ],
)
def test_key_values_are_taken_as_they_are(options: list[str], expected: dict[str, str]) -> None:
    """The first `=` parts name and value; the last of two wins."""
    assert config.key_values(options, "--env") == expected


@pytest.mark.parametrize("option", [CANARY, "", "=x", "A B=x", "1A=x", "A-B=x"])
def test_what_is_no_key_and_value_is_a_usage_error(option: str) -> None:
    """The flag is named, and what stands without a `=` is not repeated: it may be a value."""
    with pytest.raises(UsageError, match="--env") as caught:
        config.key_values([option], "--env")
    assert CANARY not in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, None),
        ("90", 90.0),
        ("90s", 90.0),
        ("1.5s", 1.5),
        ("15m", 900.0),
        ("2h", 7200.0),
        ("1d", 86400.0),
        (" 5s ", 5.0),
        ("0.5", 0.5),
        ("3650d", 315_360_000.0),
    ],
)
def test_durations(text: str | None, expected: float | None) -> None:
    """A number, and a unit if it is not seconds."""
    assert seconds(text, "--ttl") == expected


@pytest.mark.parametrize(
    "text", ["", "0", "0s", "-5s", "5 s", "5w", "h", "1h30m", "1e3", "nan", "inf", "\u0665", "5S", "3651d", "9" * 400]
)
def test_what_is_no_duration_is_a_usage_error(text: str) -> None:
    """Named with its flag and the way to write one; never a traceback."""
    with pytest.raises(UsageError, match="--ttl"):
        seconds(text, "--ttl")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, None),
        ("2026-12-01T12:00:00Z", NOON),
        ("2026-12-01T13:00:00+01:00", NOON),
        ("2026-12-01T12:00:00", NOON),
        ("2026-12-01", NOON - 43200),
        ("10m", NOON - 600),
        ("2h", NOON - 7200),
        ("30", NOON - 30),
    ],
)
def test_moments(text: str | None, expected: float | None) -> None:
    """ISO 8601 (without a zone: UTC), or so long ago."""
    assert moment(text, "--since", NOON) == expected


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "-5m", "12:00"])
def test_what_is_no_moment_is_a_usage_error(text: str) -> None:
    """Named with its flag; never a traceback."""
    with pytest.raises(PlexError, match="--since") as caught:
        moment(text, "--since", NOON)
    assert caught.value.exit_code == 2


def test_home_is_the_folder_named_or_the_one_in_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """PLEXCTL_HOME, made absolute; `~/.plexctl` without it."""
    monkeypatch.setenv("HOME", "/somebody")
    monkeypatch.chdir("/")
    assert config.home({}) == Path("/somebody/.plexctl")
    assert config.home({"PLEXCTL_HOME": ""}) == Path("/somebody/.plexctl")
    assert config.home({"PLEXCTL_HOME": "here"}) == Path("/here")

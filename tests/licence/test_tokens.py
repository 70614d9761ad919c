"""Where the token is looked for, in which order, and what is no token."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.cli.process import Plexctl, argv_of
from tests.clouds.hub import Fault, Hub
from tests.licence.test_deploy import written
from tests.licence.world import CANARY, ask, token

from plexctl.licence.dotenv import parse_dotenv


@pytest.fixture
def places(plexctl: Plexctl) -> dict[str, str]:
    """Lay a token of ann's in every place; return the environment."""
    written(plexctl.work / "file", token("ann") + "\n")
    written(plexctl.work / ".env", f"HF_TOKEN={token('ann')}\n")
    written(plexctl.work / ".env.local", f"export HUGGINGFACE_API_KEY='{token('ann')}'  # mine\n")
    written(plexctl.work / "hf" / "token", token("ann"))
    names = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HUGGINGFACE_API_KEY")
    return {name: token("ann") for name in names} | {"HF_HOME": str(plexctl.work / "hf")}


def test_the_order_of_the_places(places: dict[str, str], hub: Hub, plexctl: Plexctl) -> None:
    """The file goes before the environment, its names in their order, then the last env file, then the stored login."""
    files = ("--env-file", ".env", "--env-file", ".env.local")
    order = []
    for argv, without in (
        (("--hf-token-file", "file", *files), ()),
        (files, ()),
        (files, ("HF_TOKEN",)),
        (files, ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")),
        (files, tuple(places)[:3]),
        (("--env-file", ".env"), tuple(places)[:3]),
        ((), tuple(places)[:3]),
        ((), tuple(places)),
    ):
        env = {name: value for name, value in places.items() if name not in without}
        document = ask(plexctl, hub, None, *argv, "--json", env=env).document
        order.append(document["data"]["token_source"])
    assert order == [
        "--hf-token-file",
        "HF_TOKEN",
        "HUGGING_FACE_HUB_TOKEN",
        "HUGGINGFACE_API_KEY",
        ".env.local: HUGGINGFACE_API_KEY",
        ".env: HF_TOKEN",
        "stored login",
        None,
    ]


def test_an_empty_variable_is_no_token(hub: Hub, plexctl: Plexctl) -> None:
    """An empty or blank HF_TOKEN, as CI systems set for a missing secret, counts as none."""
    env = {"HF_TOKEN": "", "HUGGING_FACE_HUB_TOKEN": "  \n", "HUGGINGFACE_API_KEY": token("ann")}
    assert ask(plexctl, hub, None, "--json", env=env).data["token_source"] == "HUGGINGFACE_API_KEY"
    assert ask(plexctl, hub, None, "--json", env={"HF_TOKEN": ""}).document["error"]["code"] == "no_token"


@pytest.mark.parametrize("value", [f"{CANARY}\nX-Evil: 1", f"{CANARY} b", f"{CANARY}\u00e9", f"{CANARY}\x07"])
def test_what_no_header_carries_is_no_token(value: str, hub: Hub, plexctl: Plexctl) -> None:
    """A token with line breaks, blanks or letters beyond ASCII is refused before anything is sent, and not repeated."""
    result = ask(plexctl, hub, None, "--json", env={"HF_TOKEN": value})
    assert (result.rc, result.document["error"]["code"]) == (4, "token_invalid")
    assert hub.requests == []


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("--env-file", "none"), "cannot read none: No such file"),
        (("--env-file", "."), "Is a directory"),
        (("--env-file", "binary"), "not UTF-8"),
        (("--hf-token-file", "none"), "secret's file none"),
    ],
)
def test_files_that_cannot_be_read(argv: tuple[str, ...], words: str, hub: Hub, plexctl: Plexctl) -> None:
    """A file that is named and cannot be read is an error, even where another source has a token."""
    (plexctl.work / "binary").write_bytes(b"\xff\xfe")
    result = ask(plexctl, hub, "ann", *argv, "--json")
    assert (result.rc, result.document["error"]["code"]) == (3, "configuration")
    assert words in result.document["error"]["message"]


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", None], ids=["not text", "a folder"])
def test_a_stored_login_that_cannot_be_read(content: bytes | None, hub: Hub, plexctl: Plexctl) -> None:
    """A broken stored login is said to be one; a variable goes before it and never meets it."""
    place = plexctl.work / "hf" / "token"
    place.parent.mkdir()
    place.mkdir() if content is None else place.write_bytes(content)
    env = {"HF_HOME": str(place.parent)}
    result = ask(plexctl, hub, None, "--json", env=env)
    assert (result.rc, result.document["error"]["code"]) == (3, "configuration")
    assert "stored login" in result.document["error"]["message"]
    assert ask(plexctl, hub, "ann", "--json", env=env).rc == 0
    assert ask(plexctl, hub, "nobody", "--json", env=env).document["error"]["code"] == "token_invalid"


def test_no_command_line_carries_the_token(hub: Hub, plexctl: Plexctl) -> None:
    """While the Hub is being asked, no process's command line shows the token, wherever it came from."""
    written(plexctl.work / "file", token("ann"))
    hub.fail(Fault("whoami", delay_s=60))
    with plexctl.begin("check-license", "--hf-token-file", "file", env=hub.environment) as process:
        hub.wait_for(lambda: bool(hub.requests))
        shown = [argv_of(pid) for pid in plexctl.processes()]
        process.kill()
        process.communicate()
    assert shown
    assert not any(CANARY.encode() in argv for argv in shown)


def test_dotenv_as_people_write_it(tmp_path: Path) -> None:
    """Comments, export, quotes, escapes, blanks, empty values and Windows line ends read as everywhere."""
    del tmp_path
    text = (
        '# a comment\r\nexport A=1\nB = two words # and a comment\nC=\'si#ngle \\n\'\nD="dou\\"ble #" # c\n'
        "E=\n F=x#y\nnot a line\n=none\nA=2\nG=a=b==\nH='open\n1X=no\n"
    )
    assert parse_dotenv(text) == {
        "A": "2",
        "B": "two words",
        "C": "si#ngle \\n",
        "D": 'dou"ble #',
        "E": "",
        "F": "x#y",
        "G": "a=b==",
        "H": "'open",
    }


@given(st.text())
def test_dotenv_never_fails(text: str) -> None:
    """Any text is an environment file, if an empty one; a key is a variable's name and a value one line."""
    for key, value in parse_dotenv(text).items():
        assert key.replace(".", "_").isidentifier()
        assert "\n" not in value


@given(st.from_regex(r"hf_[A-Za-z0-9_\-]{1,60}", fullmatch=True), st.sampled_from(["{}", "'{}'", '"{}"', " {} "]))
def test_dotenv_gives_the_token_back(value: str, quoted: str) -> None:
    """A token is read as it was written, quoted or not."""
    assert parse_dotenv(f"X=1\nHF_TOKEN={quoted.format(value)}\nY=2")["HF_TOKEN"] == value

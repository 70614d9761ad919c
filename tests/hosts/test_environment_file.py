from __future__ import annotations

import subprocess
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from plexctl_providers._common.host_environment import environment_text
from plexctl_providers._common.placeholders import fill, names_in

NASTY = ["$HOME", "${HOME}", "`id`", '"', "'", "\\", "a b", " #x", "\n", "$$", "${PLEXCTL_TOKEN}x", "\\$", "é", ""]
_VALUES = st.lists(st.sampled_from(NASTY), max_size=6).map("".join)


def read_by_bash(text: str, folder: Path, name: str) -> str:
    """Return a variable as a shell reads it from the file."""
    file = folder / "variables.env"
    file.write_text(text, encoding="utf-8")
    script = f'set -o allexport; . "$1"; printf %s "${name}"'
    done = subprocess.run(["bash", "-c", script, "bash", str(file)], capture_output=True, text=True, check=True)
    return done.stdout


@given(value=_VALUES)
def test_a_shell_reads_back_every_value(tmp_path_factory: object, value: str) -> None:
    """Quotes, dollars, backquotes, backslashes and line ends come out as they went in."""
    folder = tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]
    assert read_by_bash(environment_text({"NAME": value}), folder, "NAME") == value


@given(value=_VALUES)
def test_no_value_of_a_users_is_taken_for_a_placeholder(value: str) -> None:
    """Only the file's own placeholders are filled in, whatever a prompt has in it."""
    text = environment_text({"NAME": value, "PLEXCTL_EXPIRES_AT": "${PLEXCTL_EXPIRES_AT}"})
    assert names_in(text) == ["PLEXCTL_EXPIRES_AT"]


def test_placeholders_can_be_filled() -> None:
    """What is known only when a plan is applied stands there as it does everywhere."""
    text = environment_text({"B": "x", "HF_TOKEN": "${HF_TOKEN}"})
    assert text == 'B="x"\nHF_TOKEN="${HF_TOKEN}"\n'
    assert fill(text, {"HF_TOKEN": "t"}) == 'B="x"\nHF_TOKEN="t"\n'

"""`plexctl render` as people use it: shown, written, written again, in the way, and of templates of their own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.cli.process import Plexctl
from tests.cli.schemas import check
from tests.render.variants import SURROUNDINGS

ECHO = ("render", "-p", "local", "--engine", "echo")


def test_it_shows_what_it_would_write(plexctl: Plexctl) -> None:
    """Without --out everything is on stdout but the gateway's own sources, which are counted."""
    shown = plexctl.ok(*ECHO, env=SURROUNDINGS).stdout
    assert "==> image/Dockerfile <==" in shown
    assert "==> image/plexctl" not in shown
    assert "files of the gateway itself" in shown
    document = plexctl.ok(*ECHO, "--json", env=SURROUNDINGS)
    check(document.document)
    assert "image/plexctl/gateway/__main__.py" in document.data["files"]
    assert not list(plexctl.work.iterdir())


def test_scripts_can_be_run_and_a_second_time_changes_nothing(plexctl: Plexctl) -> None:
    """Scripts are executable, other files are not; what is there already is left alone."""
    first = plexctl.ok(*ECHO, "--out", "out", "--json", env=SURROUNDINGS).data
    assert first["changed"] == first["files"]
    for path in first["files"]:
        assert os.access(plexctl.work / "out" / path, os.X_OK) is path.endswith(".sh"), path
    before = {path: (plexctl.work / "out" / path).stat().st_mtime_ns for path in first["files"]}
    assert plexctl.ok(*ECHO, "--out", "out", "--json", env=SURROUNDINGS).data["changed"] == []
    assert before == {path: (plexctl.work / "out" / path).stat().st_mtime_ns for path in first["files"]}


def test_other_files_of_the_same_name_are_kept(plexctl: Plexctl) -> None:
    """What somebody wrote there is not lost: exit 11 before anything is written, unless --overwrite."""
    theirs = plexctl.work / "out" / "compose.yaml"
    theirs.parent.mkdir()
    theirs.write_text("theirs\n", encoding="utf-8")
    refused = plexctl(*ECHO, "--out", "out", env=SURROUNDINGS)
    assert (refused.rc, "compose.yaml" in refused.stderr, "--overwrite" in refused.stderr) == (11, True, True)
    assert [path.name for path in theirs.parent.iterdir()] == ["compose.yaml"]
    plexctl.ok(*ECHO, "--out", "out", "--overwrite", env=SURROUNDINGS)
    assert theirs.read_text(encoding="utf-8") != "theirs\n"


@pytest.mark.parametrize(
    ("argv", "rc", "words"),
    [
        (("render",), 2, "for which provider"),
        (("render", "-p", "modl"), 3, "modal"),
        ((*ECHO, "--out", "file/below"), 3, "cannot write"),
        ((*ECHO, "--out", "file"), 3, "cannot write"),
        ((*ECHO, "--profile", "cu999"), 2, "profile"),
        (("render", "-p", "modal", "--gpu", "T4", "--engine", "personaplex"), 6, "T4"),
    ],
)
def test_what_cannot_be_rendered(plexctl: Plexctl, argv: tuple[str, ...], rc: int, words: str) -> None:
    """One line, the fix, and the documented exit code."""
    (plexctl.work / "file").write_text("", encoding="utf-8")
    result = plexctl(*argv, env=SURROUNDINGS)
    assert (result.rc, words in result.stderr) == (rc, True), result.stderr


def _own(folder: Path, text: str) -> None:
    own = folder / "templates" / "container" / "Dockerfile.j2"
    own.parent.mkdir(parents=True)
    own.write_text(text, encoding="utf-8")


def test_a_template_of_their_own_is_used_and_named(plexctl: Plexctl) -> None:
    """It stands before ours, for what it is called; and the findings say so."""
    _own(plexctl.work, "FROM scratch\n")
    data = plexctl.ok(*ECHO, "--json", env=SURROUNDINGS).data
    assert data["files"]["image/Dockerfile"] == "FROM scratch\n"
    assert "EXPOSE" not in data["files"]["image/Dockerfile"]
    assert [one["message"] for one in data["findings"] if one["check"] == "templates"] == [
        "your own, from templates: container/Dockerfile.j2"
    ]


def test_a_missing_variable_names_template_and_line(plexctl: Plexctl) -> None:
    """A mistake in it is a configuration error with the place."""
    _own(plexctl.work, "FROM scratch\nLABEL x={{ colour }}\n")
    result = plexctl(*ECHO, env=SURROUNDINGS)
    assert result.rc == 3
    assert "templates/container/Dockerfile.j2, line 2: 'colour' is undefined" in result.stderr

"""One change of a deployment at a time, private folders, names and ids."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from plexctl.errors import ConfigurationError, ConflictError
from plexctl.folders import make_private
from plexctl.identity import is_name, new_id
from plexctl.locks import is_locked, mutation_lock
from plexctl.nearest import nearest


def test_a_second_change_of_the_same_name_is_refused_at_once(tmp_path: Path) -> None:
    """The other is named; another name is not in the way; afterwards the lock is free."""
    with mutation_lock(tmp_path, "voice"):
        with pytest.raises(ConflictError, match="changing voice"), mutation_lock(tmp_path, "voice"):
            raise AssertionError("both had it")
        with mutation_lock(tmp_path, "other"):
            pass
    with mutation_lock(tmp_path, "voice"):
        pass


def test_a_lock_file_left_by_a_crash_holds_nobody_up(tmp_path: Path) -> None:
    """The lock is the system's, not the file's existence."""
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks" / "voice.lock").write_text("4711")
    with mutation_lock(tmp_path, "voice"):
        pass


def test_to_look_at_a_lock_makes_and_takes_nothing(tmp_path: Path) -> None:
    """Nobody's, somebody's, nobody's again; no file is made for the question."""
    assert not is_locked(tmp_path, "voice")
    assert list(tmp_path.iterdir()) == []
    with mutation_lock(tmp_path, "voice"):
        assert is_locked(tmp_path, "voice")
        assert not is_locked(tmp_path, "other")
    assert not is_locked(tmp_path, "voice")


def test_a_lock_is_private_and_given_back_on_failure(tmp_path: Path) -> None:
    """0600, and an exception frees it."""
    with pytest.raises(ZeroDivisionError), mutation_lock(tmp_path, "voice"):
        raise ZeroDivisionError
    with mutation_lock(tmp_path, "voice"):
        assert stat.S_IMODE((tmp_path / "locks" / "voice.lock").stat().st_mode) == 0o600


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """Exit 3 with PLEXCTL_HOME as the way out."""
    (tmp_path / "locks").write_text("a file")
    with pytest.raises(ConfigurationError) as caught, mutation_lock(tmp_path, "voice"):
        raise AssertionError("it was locked")
    assert "PLEXCTL_HOME" in (caught.value.hint or "")


def test_folders_are_private_and_those_that_exist_are_left_alone(tmp_path: Path) -> None:
    """0700 for what is made, whatever the umask; what was there keeps its mode."""
    tmp_path.chmod(0o755)
    before = os.umask(0)
    try:
        make_private(tmp_path / "a" / "b")
        make_private(tmp_path / "a" / "b")
    finally:
        os.umask(before)
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path, tmp_path / "a", tmp_path / "a" / "b")]
    assert modes == [0o755, 0o700, 0o700]


@pytest.mark.parametrize("name", ["a", "voice", "voice-2", "a" * 40])
def test_names(name: str) -> None:
    """Lower-case letters, digits and hyphens, a letter first, at most 40."""
    assert is_name(name)


@pytest.mark.parametrize("name", ["", "A", "2a", "-a", "a-", "a_b", "a/b", "../a", "a\n", "é", "a" * 41, "a\0"])
def test_no_names(name: str) -> None:
    """Nothing that is a path, a flag, or not fit for a provider."""
    assert not is_name(name)


def test_ids_are_names_parts_and_do_not_repeat() -> None:
    """Six characters that fit into a name and that nobody confuses when read aloud."""
    ids = {new_id() for _ in range(500)}
    assert len(ids) == 500
    assert all(len(one) == 6 and is_name(f"a-{one}") and not set(one) & set("lo01") for one in ids)


@pytest.mark.parametrize(
    ("word", "known", "expected"),
    [
        ("prot", ["port", "voice"], "; did you mean 'port'?"),
        ("zzz", ["port"], ""),
        ("port", [], ""),
        ("", ["port"], ""),
    ],
)
def test_the_nearest_word(word: str, known: list[str], expected: str) -> None:
    """One suggestion, or none."""
    assert nearest(word, known) == expected

"""Images in the journal: what was built and pushed, newest first, each once; an older journal gets the table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.unit.journal.samples import NOW, OFFER, journal_in, query, ref, spec

from plexctl.journal import ImageRecord
from plexctl.journal.opening import connect
from plexctl.journal.schema import MIGRATIONS

BUILT = ImageRecord("echo", "registry.invalid/you/voice:echo-1", "sha256:aa", None, "c0ffee", NOW)
PUSHED = replace(BUILT, digest="sha256:dd", pushed_at=NOW + 5)


def test_the_newest_image_comes_first(tmp_path: Path) -> None:
    """By the time when it was built or pushed, whichever is later."""
    later, pushed_last = replace(BUILT, id="sha256:bb", built_at=NOW + 1), replace(PUSHED, pushed_at=NOW + 9)
    with journal_in(tmp_path) as journal:
        for one in (BUILT, later):
            journal.record_image(one)
        assert journal.images() == [later, BUILT]
        journal.record_image(pushed_last)
        assert journal.images() == [pushed_last, later]


def test_the_same_image_is_kept_once_and_keeps_its_digest(tmp_path: Path) -> None:
    """A build that finds it again changes its times; what the registry said of it stays."""
    with journal_in(tmp_path) as journal:
        for one in (BUILT, PUSHED, replace(BUILT, built_at=NOW + 20)):
            journal.record_image(one)
    with journal_in(tmp_path) as journal:
        assert journal.images() == [replace(PUSHED, built_at=NOW + 20)]


def test_only_what_was_pushed_can_be_named_by_its_digest() -> None:
    """The tag gives way to the digest; a registry's port is no tag."""
    assert BUILT.pinned is None
    assert PUSHED.pinned == "registry.invalid/you/voice@sha256:dd"
    assert replace(PUSHED, reference="127.0.0.1:5000/voice:x").pinned == "127.0.0.1:5000/voice@sha256:dd"


def test_a_journal_from_before_images_gets_their_table(tmp_path: Path) -> None:
    """The first schema's journal keeps its deployments and takes images."""
    path = tmp_path / "journal.db"
    connect(path, MIGRATIONS[:1]).close()
    assert query(path, "SELECT name FROM sqlite_schema WHERE name = 'images'") == []
    with journal_in(tmp_path) as journal:
        journal.begin(ref("voice"), spec("voice"), OFFER)
        journal.record_image(BUILT)
        assert journal.images() == [BUILT]
        assert [record.ref.name for record in journal.records()] == ["voice"]

"""What is written to the journal is what is read from it, at every step of a deployment's life."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.journal.samples import ENDPOINT, NOW, OFFER, journal_in, query, ref, spec

from plexctl.errors import ConflictError, JournalError
from plexctl.journal import Wanted
from plexctl.model import Resource


def test_a_new_deployment_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    """Spec, offer, times and wish survive the way to the disk unchanged."""
    with journal_in(tmp_path) as journal:
        journal.begin(ref("voice"), spec("voice"), OFFER).expires(NOW + 60)
    with journal_in(tmp_path) as journal:
        record = journal.record("voice")
    assert record is not None
    assert (record.ref, record.spec, record.offer) == (ref("voice"), spec("voice"), OFFER)
    assert (record.created_at, record.expires_at) == (NOW, NOW + 60)
    assert (record.wanted, record.endpoint) == (Wanted.RUNNING, None)


def test_what_is_gone_is_known_by_its_id(tmp_path: Path) -> None:
    """Until it begins again."""
    with journal_in(tmp_path) as journal:
        entry = journal.begin(ref("voice"), spec("voice"), OFFER)
        assert journal.ids_gone() == set()
        entry.gone()
        assert journal.ids_gone() == {ref("voice").id}
        journal.begin(ref("voice"), spec("voice"), OFFER)
        assert journal.ids_gone() == set()


def test_an_intent_is_on_disk_before_anything_is_created(tmp_path: Path) -> None:
    """Between intent and answer the resource is known by name and has no id: it can be looked for."""
    with journal_in(tmp_path) as journal:
        entry = journal.begin(ref("voice"), spec("voice"), OFFER)
        entry.intend("pod", "plexctl-voice-abc234", {"region": "EU"})
        with journal_in(tmp_path) as other:
            record = other.record("voice")
    assert record is not None
    assert record.ref.resources == (Resource("pod", "plexctl-voice-abc234", None, {"region": "EU"}),)


def test_the_id_stands_in_the_journal_right_after_the_create(tmp_path: Path) -> None:
    """`created` adds the id and what else finds the resource; without detail, the intent's detail stays."""
    with journal_in(tmp_path) as journal:
        entry = journal.begin(ref("voice"), spec("voice"), OFFER)
        pod = entry.intend("pod", "a", {"region": "EU"})
        volume = entry.intend("volume", "b", {"size": "40"})
        entry.created(pod, "pod-1", {"port": "8998"})
        entry.created(volume, "vol-1")
        assert entry.ref.resources == (
            Resource("pod", "a", "pod-1", {"port": "8998"}),
            Resource("volume", "b", "vol-1", {"size": "40"}),
        )


def test_a_remade_resource_keeps_its_entry_and_loses_its_id(tmp_path: Path) -> None:
    """The second intent of the same resource is the same row: nothing is counted twice."""
    with journal_in(tmp_path) as journal:
        entry = journal.begin(ref("voice"), spec("voice"), OFFER)
        first = entry.intend("process", "a")
        entry.created(first, "17", {"port": "8998"})
        assert entry.intend("process", "a") == first
        assert entry.ref.resources == (Resource("process", "a", None),)


def test_a_removed_resource_is_out_of_the_reference_and_may_come_again(tmp_path: Path) -> None:
    """What was read back as gone is no longer part of the deployment; the same name may be made anew."""
    with journal_in(tmp_path) as journal:
        entry = journal.begin(ref("voice"), spec("voice"), OFFER)
        key = entry.intend("pod", "a")
        entry.created(key, "pod-1")
        entry.removed(key)
        assert entry.ref.resources == ()
        assert entry.intend("pod", "a") != key


def test_what_was_found_at_a_provider_is_adopted_whole(tmp_path: Path) -> None:
    """A deployment without a record gets one, with ids where they are known and the endpoint."""
    found = ref("voice", "abc234", Resource("pod", "a", "pod-1", {"region": "EU"}), Resource("volume", "b", None))
    with journal_in(tmp_path) as journal:
        entry = journal.adopt(found, spec("voice"), OFFER, ENDPOINT)
        assert entry.ref == found
        assert entry.record.endpoint == ENDPOINT


def test_a_live_name_cannot_be_begun_twice(tmp_path: Path) -> None:
    """Two deployments of one name cannot stand in the journal; the first stays as it is."""
    with journal_in(tmp_path) as journal:
        journal.begin(ref("voice"), spec("voice"), OFFER)
        with pytest.raises(ConflictError, match="voice exists already"):
            journal.begin(ref("voice", "zzz999"), spec("voice"), OFFER)
        assert [record.ref.id for record in journal.records()] == ["abc234"]


def test_a_gone_name_is_free_and_its_row_is_kept(tmp_path: Path) -> None:
    """After `gone` the name can be taken again, and the old row still tells what there was."""
    with journal_in(tmp_path) as journal:
        journal.begin(ref("voice"), spec("voice"), OFFER).gone()
        assert journal.record("voice") is None
        journal.begin(ref("voice", "zzz999"), spec("voice"), OFFER)
        assert [record.ref.id for record in journal.records()] == ["zzz999"]
    assert query(tmp_path / "journal.db", "SELECT count(*) FROM deployments") == [(2,)]


@pytest.mark.parametrize("wanted", list(Wanted))
def test_what_the_user_wants_is_recorded_before_it_is_done(tmp_path: Path, wanted: Wanted) -> None:
    """Each wish is durable on its own."""
    with journal_in(tmp_path) as journal:
        journal.begin(ref("voice"), spec("voice"), OFFER).want(wanted)
    with journal_in(tmp_path) as journal:
        record = journal.record("voice")
    assert record is not None
    assert record.wanted is wanted


def test_records_come_by_name(tmp_path: Path) -> None:
    """The order does not depend on when a deployment was made."""
    with journal_in(tmp_path) as journal:
        for number, name in enumerate(("zulu", "alpha", "mike")):
            journal.begin(ref(name, f"id{number}"), spec(name), OFFER)
        assert [record.ref.name for record in journal.records()] == ["alpha", "mike", "zulu"]


def test_an_entry_of_nothing_says_so(tmp_path: Path) -> None:
    """Asking for a deployment that was never written is a clear error, not an empty record."""
    with journal_in(tmp_path) as journal, pytest.raises(JournalError, match="holds no deployment nobody"):
        _ = journal.entry("nobody").ref


@pytest.mark.parametrize(
    ("column", "value"),
    [("spec", '{"nmae": "x"}'), ("spec", "{"), ("offer", "[]"), ("wanted", "dancing"), ("endpoint", "7")],
)
def test_a_row_that_this_plexctl_cannot_read_is_a_journal_error(tmp_path: Path, column: str, value: str) -> None:
    """A row written by another version with other fields is named as what it is, not as a bug of plexctl."""
    path = tmp_path / "journal.db"
    with journal_in(tmp_path) as journal:
        journal.begin(ref("voice"), spec("voice"), OFFER)
        journal.write(f"UPDATE deployments SET {column} = ?", (value,))  # noqa: S608 - the table above
        with pytest.raises(JournalError, match="voice"):
            journal.records()
    assert query(path, f"SELECT {column} FROM deployments") == [(value,)]  # noqa: S608 - the same


def test_what_was_gone_begins_again_with_nothing_of_its_former_life(tmp_path: Path) -> None:
    """A destroy that keeps images or secrets leaves an id to be found again; one that is alive is never taken."""
    with journal_in(tmp_path) as journal:
        entry = journal.begin(ref("voice"), spec("voice"), OFFER)
        entry.created(entry.intend("pod", "a"), "pod-1")
        entry.reached(ENDPOINT)
        with pytest.raises(ConflictError):
            journal.begin(ref("voice"), spec("voice"), OFFER)
        entry.gone()
        again = journal.begin(ref("voice"), spec("voice"), OFFER)
        assert (again.ref, again.record.endpoint, again.record.expires_at) == (ref("voice"), None, None)
        again.intend("pod", "a")
        assert again.ref.resources == (Resource("pod", "a", None),)

"""Hosts that failed a start are in the journal for a while; an older journal gets their table."""

from __future__ import annotations

from pathlib import Path

from tests.unit.journal.samples import ENDPOINT, NOW, OFFER, journal_in, query, ref, spec

from plexctl.journal import DeniedHost, open_journal
from plexctl.journal.opening import connect
from plexctl.journal.schema import MIGRATIONS

BAD = DeniedHost("vast", "12345", "CUDA 12.2 only", NOW + 60)


def test_a_host_is_denied_until_its_time_is_over(tmp_path: Path) -> None:
    """By the clock that is given; then it is forgotten with the next that is written."""
    with journal_in(tmp_path) as journal:
        journal.deny(BAD)
        assert journal.denied_hosts() == [BAD]
    with open_journal(tmp_path, lambda: NOW + 60) as journal:
        assert journal.denied_hosts() == []
        journal.deny(DeniedHost("runpod", "12345", "slow", NOW + 120))
    assert query(tmp_path / "journal.db", "SELECT provider FROM denied_hosts") == [("runpod",)]


def test_the_newest_reason_counts(tmp_path: Path) -> None:
    """One row for a host, with the later end."""
    again = DeniedHost("vast", "12345", "no progress", NOW + 90)
    with journal_in(tmp_path) as journal:
        journal.deny(BAD)
        journal.deny(again)
        assert journal.denied_hosts() == [again]


def test_a_journal_from_before_gets_the_table_and_trusts_what_it_holds(tmp_path: Path) -> None:
    """What was deployed by an older plexctl counts as having been ready: it is never taken for a failed attempt."""
    path = tmp_path / "journal.db"
    connection = connect(path, MIGRATIONS[:2])
    connection.execute(
        "INSERT INTO deployments (id, name, provider, spec, offer, wanted, created_at)"
        """ VALUES ('abc234', 'voice', 'local', '{"name":"voice"}', '{"provider":"local","gpu":null,"count":0,"""
        """"region":null,"price_usd_per_hour":0,"source":"x","as_of":null}', 'running', 5.0)"""
    )
    connection.close()
    with journal_in(tmp_path) as journal:
        journal.deny(BAD)
        assert [record.ready_at for record in journal.records()] == [5.0]


def test_another_try_leaves_nothing_of_the_one_before(tmp_path: Path) -> None:
    """Resources, address and lifetime go; name, id and age stay; the provider is the new one."""
    with journal_in(tmp_path) as journal:
        entry = journal.begin(ref("voice"), spec("voice"), OFFER)
        entry.created(entry.intend("pod", "plexctl-voice"), "1")
        entry.reached(ENDPOINT)
        entry.expires(NOW + 9)
        entry.retry("vast", spec("voice"), OFFER)
        record = entry.record
        assert (record.ref.provider, record.ref.id, record.ref.resources) == ("vast", "abc234", ())
        assert (record.endpoint, record.expires_at, record.created_at) == (None, None, NOW)


def test_ready_is_the_first_time(tmp_path: Path) -> None:
    """A later start does not move it; a deployment that begins again was never ready."""
    with journal_in(tmp_path) as journal:
        entry = journal.begin(ref("voice"), spec("voice"), OFFER)
        assert entry.record.ready_at is None
        entry.ready()
    with open_journal(tmp_path, lambda: NOW + 60) as journal:
        journal.entry("abc234").ready()
        assert journal.entry("abc234").record.ready_at == NOW
        journal.entry("abc234").gone()
        assert journal.begin(ref("voice"), spec("voice"), OFFER).record.ready_at is None

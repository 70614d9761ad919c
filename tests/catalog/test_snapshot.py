"""The snapshot that ships: complete, dated, sourced, small."""

from __future__ import annotations

from datetime import date
from importlib.resources import files

import pytest

from plexctl.catalog import age_days, is_stale, snapshot
from plexctl.catalog.billing import billing_of
from plexctl.catalog.rows import Row
from plexctl.gpus import known
from plexctl.spec import PROVIDERS

CATALOG = snapshot()


def test_it_is_small() -> None:
    """The wheel carries less than 30 KB of prices."""
    assert len(files("plexctl.catalog").joinpath("snapshot.json").read_bytes()) < 30_000


def test_every_provider_has_offers() -> None:
    """Each of the eight has a row, and says what it bills when idle and when stopped."""
    assert {row.provider for row in CATALOG.rows} == set(PROVIDERS)
    for provider in PROVIDERS:
        billing = billing_of(provider)
        assert all((billing.idle, billing.stopped, billing.source, date.fromisoformat(billing.as_of)))


@pytest.mark.parametrize("row", CATALOG.rows, ids=lambda row: f"{row.provider}-{row.count}x{row.gpu}")
def test_every_row_has_source_and_date(row: Row) -> None:
    """A row says where and when it was read, never later than the snapshot; a sample says that nobody verified it."""
    assert row.source
    assert date.fromisoformat(row.as_of) <= date.fromisoformat(CATALOG.as_of)
    assert row.is_verified or row.price is None or "unverified" in row.source


@pytest.mark.parametrize("row", CATALOG.rows, ids=lambda row: f"{row.provider}-{row.count}x{row.gpu}")
def test_every_row_can_be_judged(row: Row) -> None:
    """Its GPU is called as the table of GPUs calls it, its currency has a dated rate; own hardware alone has no GPU."""
    assert row.gpu in {gpu.name for gpu in known()} if row.gpu else row.provider in ("local", "ssh")
    assert row.price is None or CATALOG.usd(row) is not None
    assert all(rate.source and date.fromisoformat(rate.as_of) for rate in CATALOG.rates.values())


@pytest.mark.parametrize(
    ("as_of", "age", "stale"),
    [
        ("2026-11-21", 0, False),
        ("2026-10-22", 30, False),
        ("2026-10-21", 31, True),
        ("2027-01-01", 0, False),
        ("2026-99-99", None, True),
    ],
)
def test_prices_go_stale_after_thirty_days(as_of: str, age: int | None, *, stale: bool) -> None:
    """Thirty days are believed, thirty-one are not; a date that is none is not; the future is today."""
    today = date(2026, 11, 21)
    assert (age_days(as_of, today), is_stale(as_of, today)) == (age, stale)

"""What GPUs cost: a dated snapshot that travels with plexctl, renewed from the providers' own APIs on demand.

Reading it needs no network and no credentials. It refuses to guess: a price without a source and a date is no row.
"""

from __future__ import annotations

from plexctl.catalog.rows import STALE_AFTER_DAYS, Catalog, Failure, Rate, Row, age_days, is_stale
from plexctl.catalog.store import load, snapshot, today

__all__ = ["STALE_AFTER_DAYS", "Catalog", "Failure", "Rate", "Row", "age_days", "is_stale", "load", "snapshot", "today"]

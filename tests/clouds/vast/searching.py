"""Asks, and the filters of a search as the vendor's client sends them.

Sources: `api/query.py` and `api/offers.py` of vast-ai/vast-cli at 5567983; the offer in vast-ai/docs at c624622.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

_HOURS_OF_A_MONTH = 730.0
_NO_FILTERS = {"type", "order", "limit", "allocated_storage", "disable_bundling"}
_DEFAULTS: dict[str, dict[str, object]] = {
    "verified": {"eq": True},
    "rentable": {"eq": True},
    "rented": {"eq": False},
    "external": {"eq": False},
}


@dataclass
class Ask:
    """What a host offers."""

    id: int
    machine_id: int
    gpu_name: str = "RTX 4090"
    gpu_ram: int = 24_564
    compute_cap: int = 890
    cuda_max_good: float = 12.8
    driver_version: str = "570.86.15"
    reliability: float = 0.995
    inet_down: float = 900.0
    direct_port_count: int = 100
    disk_space: float = 500.0
    geolocation: str = "Sweden, SE"
    cpu_arch: str = "amd64"
    verified: bool = True
    rentable: bool = True
    rented: bool = False
    external: bool = False
    num_gpus: int = 1
    duration: float = 2_592_000.0
    dph_base: float = 0.35
    storage_cost: float = 0.15
    """USD per GB and month."""
    min_bid: float = 0.12

    def storage_per_hour(self, disk_gb: float) -> float:
        """Return what the disk costs, USD per hour."""
        return disk_gb * self.storage_cost / _HOURS_OF_A_MONTH

    def row(self, storage: float, kind: str) -> dict[str, Any]:
        """Return it as a search tells it."""
        base = self.min_bid if kind == "bid" else self.dph_base
        more = {"host_id": self.machine_id * 10, "dph_total": base + self.storage_per_hour(storage)}
        return {**vars(self), **more, "reliability2": self.reliability, "verification": "verified"}


def search(asks: list[Ask], body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows that pass every filter, in order."""
    storage, kind = float(body.get("allocated_storage", 5.0)), body.get("type", "on-demand")
    filters = _DEFAULTS | {name: value for name, value in body.items() if name not in _NO_FILTERS}
    rows = [ask.row(storage, kind) for ask in asks]
    found = [row for row in rows if all(_passes(row, name, wanted) for name, wanted in filters.items())]
    for name, direction in reversed(body.get("order", [])):
        found.sort(key=itemgetter(name), reverse=direction == "desc")
    return found[: int(body.get("limit", 64))]


def _passes(row: Mapping[str, Any], name: str, wanted: Mapping[str, Any]) -> bool:
    return all(_operators()[operator](row[name], value) for operator, value in wanted.items())


def _operators() -> dict[str, Callable[[Any, Any], bool]]:
    return {
        "eq": _is,
        "neq": lambda ours, theirs: not _is(ours, theirs),
        "gt": lambda ours, theirs: ours > float(theirs),
        "gte": lambda ours, theirs: ours >= float(theirs),
        "lt": lambda ours, theirs: ours < float(theirs),
        "lte": lambda ours, theirs: ours <= float(theirs),
        "in": lambda ours, theirs: any(_is(ours, one) for one in theirs),
        "notin": lambda ours, theirs: not any(_is(ours, one) for one in theirs),
    }


def _is(ours: Any, theirs: Any) -> bool:
    """Compare; numbers come as texts too, and a place is meant by its country."""
    if isinstance(ours, int | float) and not isinstance(ours, bool):
        return bool(ours == float(theirs))
    return bool(ours == theirs) or (isinstance(ours, str) and ours.endswith(f", {theirs}"))

"""Offers judged: a price, what it buys in conversations, and why an offer is refused. No I/O.

The price of a conversation-hour is the price divided by the engines that keep real time side by side; an offer on
which nobody knows of one has none.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from plexctl.catalog.rows import Catalog, Row, age_days, is_stale
from plexctl.catalog.wishes import Wish, meant_by
from plexctl.gpus import (
    PERSONAPLEX_7B,
    Assessment,
    Checkpoint,
    Fit,
    Measurement,
    Pace,
    assess,
    cpu_offload_finding,
    matching,
)
from plexctl.model import Level, Offer
from plexctl.spec import PROVIDERS

_CENT = 4
_KEEPS_UP = (Pace.YES, Pace.LIKELY)


class Kind(StrEnum):
    """Why an offer is refused."""

    WISH = "wish"
    """It is not what was asked for."""
    NEVER = "never"
    """It could never have worked."""
    REGION = "region"
    """It is not sold in the region asked for."""
    STOCK = "stock"
    """There is none right now."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why not this offer."""

    kind: Kind
    reason: str


@dataclass(frozen=True, slots=True)
class Judged:
    """One row with all that is known of it."""

    row: Row
    usd_per_hour: float | None
    region: str | None
    assessment: Assessment | None
    """None for hardware of the user's own that nobody has looked at yet."""

    @property
    def engines(self) -> int | None:
        """Engines that keep real time on all its GPUs together; None when nobody knows."""
        return None if self.assessment is None else self.assessment.engines * self.row.count

    @property
    def usd_per_conversation_hour(self) -> float | None:
        """What one caller's hour costs when every engine is taken; None when that is unknown."""
        if self.usd_per_hour is None or not self.engines:
            return None
        return round(self.usd_per_hour / self.engines, _CENT)

    @property
    def is_converted(self) -> bool:
        """Whether the price in USD was computed from one in another currency."""
        return self.row.currency != "USD" and self.usd_per_hour is not None

    @property
    def offer(self) -> Offer:
        """The offer that a plan is laid out for."""
        return self.row.offer(self.region, self.usd_per_hour)

    @property
    def preference(self) -> tuple[object, ...]:
        """Sorts the best first: what surely keeps up, by price per conversation-hour; the unknown last."""
        price = self.usd_per_conversation_hour
        return (self._tier, *_or_last(price), *_or_last(self.usd_per_hour), *self._name)

    @property
    def by_price(self) -> tuple[object, ...]:
        """Sorts by price per conversation-hour alone; offers without one last."""
        return (*_or_last(self.usd_per_conversation_hour), *_or_last(self.usd_per_hour), *self._name)

    @property
    def _tier(self) -> int:
        if self.assessment is None:
            return 3
        if self.usd_per_hour is None:
            return 2
        return 0 if self.assessment.prediction.pace in _KEEPS_UP else 1

    @property
    def _name(self) -> tuple[int, str, str, int]:
        row = self.row
        place = PROVIDERS.index(row.provider) if row.provider in PROVIDERS else len(PROVIDERS)
        return place, row.provider, row.gpu or "", row.count

    def to_dict(self, day: date) -> dict[str, object]:
        """Return it as the JSON documents show it."""
        row, found = self.row, self.assessment
        return {
            "provider": row.provider,
            "gpu": row.gpu,
            "count": row.count,
            "region": self.region,
            "regions": list(row.regions),
            "price_usd_per_hour": self.usd_per_hour,
            "price_usd_per_conversation_hour": self.usd_per_conversation_hour,
            "price_per_hour": row.price,
            "currency": row.currency,
            "is_converted": self.is_converted,
            "vram_gib": None if found is None else found.gpu.vram_gib,
            "memory": None if found is None else str(found.fit),
            "engines_that_fit": None if found is None else found.engines_that_fit * row.count,
            "real_time": None if found is None else str(found.prediction.pace),
            "ms_per_frame": None if found is None else round(found.prediction.ms_per_frame, 1),
            "basis": None if found is None else found.prediction.basis,
            "engines_in_real_time": self.engines,
            "stock": row.stock,
            "source": row.source,
            "as_of": row.as_of,
            "age_days": age_days(row.as_of, day),
            "is_stale": is_stale(row.as_of, day),
            "is_verified": row.is_verified,
            "note": row.note,
        }


@dataclass(frozen=True, slots=True)
class _Model:
    """What GPUs are judged for, and with which measurements of it."""

    checkpoint: Checkpoint
    measurements: tuple[Measurement, ...]


def judge(
    catalog: Catalog,
    wish: Wish,
    rows: Iterable[Row],
    measurements: Iterable[Measurement] = (),
    checkpoint: Checkpoint = PERSONAPLEX_7B,
) -> list[Judged]:
    """Return the rows of the wish's providers, judged for this checkpoint, in no particular order."""
    model = _Model(checkpoint, tuple(measurements))
    return [_judged(catalog, wish, row, model) for row in rows if row.provider in wish.providers]


def refusal(judged: Judged, wish: Wish) -> Refusal | None:
    """Return why an offer is not what was asked for or could not be had; None when it can."""
    row, found = judged.row, judged.assessment
    if found is None:
        return _unseen(wish) if row.count else (_without_gpu(wish) or _elsewhere(row, wish) or _too_dear(judged, wish))
    if not meant_by(found.gpu, wish):
        return Refusal(Kind.WISH, f"is not {wish.gpu_words}")
    if wish.min_vram_gib is not None and found.gpu.vram_gib < wish.min_vram_gib:
        return Refusal(Kind.WISH, f"has {found.gpu.vram_gib:g} GB, less than {wish.min_vram_gib:g}")
    if (elsewhere := _elsewhere(row, wish)) is not None:
        return elsewhere
    if wish.real_time and found.prediction.pace not in _KEEPS_UP:
        return Refusal(Kind.WISH, f"real time: {found.prediction.pace.words}")
    return _too_dear(judged, wish) or (Refusal(Kind.STOCK, "none in stock") if row.stock == "none" else None)


def never(judged: Judged, *, cpu_offload: bool, force: bool) -> Refusal | None:
    """Return why the model could never serve on an offer; None when it may."""
    found = judged.assessment
    if found is None:
        return None
    if cpu_offload:
        finding = cpu_offload_finding(found.fit, force=force)
        return Refusal(Kind.NEVER, finding.message) if finding.level is Level.FAIL else None
    if force and found.fit is not Fit.DOES_NOT_FIT:
        return None
    if found.is_refused:
        reason = next((one.message for one in found.findings if one.level is Level.FAIL), "it could never serve")
        return Refusal(Kind.NEVER, reason)
    return None


def _unseen(wish: Wish) -> Refusal | None:
    if wish.region is not None:
        return Refusal(Kind.WISH, f"is not in {wish.region}: it is wherever you have it")
    asks_nothing = wish.gpus is None and wish.min_vram_gib is None and not wish.real_time
    return None if asks_nothing else Refusal(Kind.WISH, "which GPU it has is not known here")


def _elsewhere(row: Row, wish: Wish) -> Refusal | None:
    if wish.region is None or wish.region in row.regions:
        return None
    where = ", ".join(row.regions) or "no region that is known here"
    return Refusal(Kind.REGION, f"is not in {wish.region}: {where}")


def _without_gpu(wish: Wish) -> Refusal | None:
    if wish.gpus is None and wish.min_vram_gib is None:
        return None
    return Refusal(Kind.WISH, "runs the echo engine without a GPU")


def _too_dear(judged: Judged, wish: Wish) -> Refusal | None:
    limit, price = wish.max_price_usd_per_hour, judged.usd_per_hour
    if limit is None or (price is not None and price <= limit):
        return None
    words = "its price is unknown" if price is None else f"costs {price:.2f} USD per hour"
    return Refusal(Kind.WISH, f"{words}; the limit is {limit:g}")


def _judged(catalog: Catalog, wish: Wish, row: Row, model: _Model) -> Judged:
    gpu = next(iter(matching(row.gpu, row.provider)), None) if row.gpu else None
    found = None if gpu is None else assess(gpu, model.checkpoint, model.measurements)
    region = wish.region if wish.region in row.regions else None
    return Judged(row, catalog.usd(row), region, found)


def _or_last(price: float | None) -> tuple[bool, float]:
    return price is None, price or 0.0

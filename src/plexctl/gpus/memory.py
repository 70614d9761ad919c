"""Does it fit: the GPU memory that one engine takes, as a budget, and the verdict.

Measured on an H200 (docs/gpus.md): 19.16 GiB in use while conversing, constant however long; with 19.5 GiB free it
ran, with 18.5 GiB it failed after 14 s of loading. So 19.2 GiB must really be free, and 20 GiB are recommended.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from plexctl.gpus.checkpoint import Checkpoint

GIB = 1 << 30
OVERHEAD_GIB = 1.34
"""CUDA context (0.61), graphs and workspace beside what torch was asked for: 1,371 MiB on an H200 (docs/gpus.md)."""
MARGIN_GIB = 0.8
"""From what must be free to what is recommended: other cards' contexts differ."""
_USABLE_SHARE = 0.97
"""What CUDA can give of the memory as sold, at least on cards without ECC on GDDR: H200 139.80 of 141 GiB."""
_USABLE_SHARE_LEAST = 0.92
"""The same with ECC on GDDR: L4 and A10G say 22.2 of 24 (CUDA's own messages, from memory, not verified)."""


class Fit(StrEnum):
    """Whether one engine's memory fits."""

    FITS = "fits"
    TIGHT = "tight"
    DOES_NOT_FIT = "does_not_fit"

    @property
    def words(self) -> str:
        """The verdict for a reader."""
        return self.value.replace("_", " ")


@dataclass(frozen=True, slots=True)
class Budget:
    """GPU memory of one engine, in GiB."""

    weights: float
    kv_cache: float
    codecs: float
    overhead: float
    margin: float

    @property
    def needed(self) -> float:
        """What must really be free, rounded up to a tenth; 19.2 for the 7B model."""
        return math.ceil((self.weights + self.kv_cache + self.codecs + self.overhead) * 10 - 1e-9) / 10

    @property
    def total(self) -> float:
        """What is recommended: everything with the margin."""
        return self.needed + self.margin

    def rows(self) -> tuple[tuple[str, float], ...]:
        """Return (part, GiB) for showing; the last two are what must be free and what is recommended."""
        return (
            ("weights", self.weights),
            ("KV cache", self.kv_cache),
            ("audio codecs", self.codecs),
            ("CUDA context, graphs and workspace", self.overhead),
            ("must be free", self.needed),
            ("recommended", self.total),
        )


def budget(checkpoint: Checkpoint) -> Budget:
    """Return what one engine with this checkpoint takes."""
    return Budget(
        weights=checkpoint.loaded_bytes / GIB,
        kv_cache=checkpoint.kv_bytes / GIB,
        codecs=checkpoint.codec_bytes / GIB,
        overhead=OVERHEAD_GIB,
        margin=MARGIN_GIB,
    )


def fit(vram_gib: float, needs: Budget) -> Fit:
    """Return the verdict for a card by its memory as sold: 22 GiB and more fit, 20 are tight, 16 do not."""
    if vram_gib * _USABLE_SHARE_LEAST >= needs.total:
        return Fit.FITS
    return Fit.TIGHT if vram_gib * _USABLE_SHARE >= needs.needed else Fit.DOES_NOT_FIT


def fit_free(free_gib: float, needs: Budget) -> Fit:
    """Return the verdict for memory that was measured to be free."""
    if free_gib >= needs.total:
        return Fit.FITS
    return Fit.TIGHT if free_gib >= needs.needed else Fit.DOES_NOT_FIT


def engines_that_fit(vram_gib: float, needs: Budget) -> int:
    """Return how many engines' memory fits a card by its memory as sold. Real time is another matter: `predict`."""
    return math.floor(vram_gib * _USABLE_SHARE / needs.needed)

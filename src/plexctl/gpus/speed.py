"""Does it keep real time: milliseconds for each 80 ms frame, measured where we have measured, predicted elsewhere.

Prediction: all weights and the KV ring are read once a frame, so bytes over bandwidth is the floor; on an H200 that is
4.2 ms of the 35.3 measured, and the other 31 are kernel launches and small kernels, which do not shrink with faster
memory (docs/gpus.md). How many engines share one GPU in real time is known only where somebody measured it: an H200
holds seven and keeps two, so one that nobody measured is given one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Literal

from plexctl.gpus.checkpoint import PERSONAPLEX_7B, Checkpoint
from plexctl.gpus.table import Gpu, data, matching

FRAME_MS = 80.0
"""One frame of Mimi at 12.5 Hz."""
BANDWIDTH_SHARE = 0.88
"""What copies reach of the datasheet: 4.24 of 4.8 TB/s on an H200 (docs/gpus.md)."""
CONSTANT_MS = 31.1
"""Milliseconds a frame that are not memory: 35.3 measured less 4.2, on an H200 without torch.compile (docs/gpus.md)."""
_YES_MS = 0.7 * FRAME_MS
"""The slowest frames took 1.2 times the median when measured: they still have a sixth of the frame to spare."""
_LIKELY_MS = 0.9 * FRAME_MS
_BORDERLINE_MS = 1.25 * FRAME_MS
"""Beyond it no error of the constant, which is one host's, would save it; bandwidth alone takes most of the frame."""
_SAME_SHARE = 0.02


class Pace(StrEnum):
    """Whether frames are ready in time."""

    YES = "yes"
    LIKELY = "likely"
    BORDERLINE = "borderline"
    NO = "no"

    @property
    def words(self) -> str:
        """The verdict for a reader."""
        return "borderline: will be measured" if self is Pace.BORDERLINE else self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What somebody measured on one GPU with one engine of upstream's server."""

    gpu: str
    """A name that `plexctl.gpus.find` knows."""
    ms_per_frame: float
    """Median."""
    source: str
    as_of: str
    ms_per_frame_p95: float | None = None
    engines_in_real_time: int | None = None
    """How many engines on the one GPU kept real time side by side; None when that was not tried."""
    bytes_read_per_frame: int = PERSONAPLEX_7B.bytes_read_per_frame
    compiled: bool = False


@dataclass(frozen=True, slots=True)
class Prediction:
    """How fast one frame is, and how many engines of one GPU keep real time."""

    ms_per_frame: float
    pace: Pace
    engines: int
    """Engines that keep real time on one GPU; 0 when not even one does."""
    basis: Literal["measured", "predicted"]
    source: str


def pace(ms_per_frame: float) -> Pace:
    """Return the verdict for a median frame."""
    if ms_per_frame <= _YES_MS:
        return Pace.YES
    if ms_per_frame <= _LIKELY_MS:
        return Pace.LIKELY
    return Pace.BORDERLINE if ms_per_frame <= _BORDERLINE_MS else Pace.NO


def floor_ms(bytes_read: int, bandwidth_gb_s: float) -> float:
    """Return the time that reading takes at the bandwidth that copies reach of the datasheet's."""
    return bytes_read / (BANDWIDTH_SHARE * bandwidth_gb_s * 1e6)


def predict(gpu: Gpu, checkpoint: Checkpoint = PERSONAPLEX_7B, measurements: Iterable[Measurement] = ()) -> Prediction:
    """Return how fast this GPU runs this checkpoint.

    `measurements` are those that the user saved; our own are known without, and the newest on this GPU counts.
    """
    mine = measured_on(gpu, (*our_measurements(), *measurements))
    if not mine:
        return predict_unmeasured(gpu, checkpoint)
    measured = mine[0]
    engines = next((one.engines_in_real_time for one in mine if one.engines_in_real_time is not None), 1)
    other = checkpoint.bytes_read_per_frame - measured.bytes_read_per_frame
    if abs(other) <= _SAME_SHARE * measured.bytes_read_per_frame:
        return _prediction(measured.ms_per_frame, engines, "measured", f"{measured.source}, {measured.as_of}")
    ms = max(measured.ms_per_frame + floor_ms(other, gpu.bandwidth_gb_s), 0.0)
    words = f"measured with another checkpoint ({measured.source}), and {other / 1e9:+.1f} GB a frame"
    return _prediction(ms, min(engines, 1), "predicted", words)


def predict_unmeasured(gpu: Gpu, checkpoint: Checkpoint = PERSONAPLEX_7B) -> Prediction:
    """Return what arithmetic says, whatever was measured on this GPU."""
    ms = floor_ms(checkpoint.bytes_read_per_frame, gpu.bandwidth_gb_s) + CONSTANT_MS
    read = f"{checkpoint.bytes_read_per_frame / 1e9:.1f} GB a frame at {gpu.bandwidth_gb_s:g} GB/s"
    words = f"{read} and {CONSTANT_MS} ms that do not depend on memory (docs/gpus.md)"
    return _prediction(ms, 1, "predicted", words)


def _prediction(ms: float, engines: int, basis: Literal["measured", "predicted"], source: str) -> Prediction:
    verdict = pace(ms)
    return Prediction(round(ms, 1), verdict, 0 if verdict is Pace.NO else engines, basis, source)


def measured_on(gpu: Gpu, measurements: Sequence[Measurement]) -> list[Measurement]:
    """Return the measurements on this GPU, the newest first; of one day the last one."""
    mine = [
        one for one in reversed(measurements) if gpu.name in (one.gpu, *(row.name for row in matching(one.gpu)[:1]))
    ]
    return sorted(mine, key=lambda one: one.as_of, reverse=True)


@cache
def our_measurements() -> tuple[Measurement, ...]:
    """Return what we measured ourselves; it ships with plexctl."""
    return tuple(Measurement(**row) for row in data()["measurements"])

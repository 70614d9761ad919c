"""What was heard, in figures: fed with arrivals, asked for the measure. No I/O and no clock of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from plexctl.probe.answers import Meaning
from plexctl.probe.verdicts import SLOW_BELOW

STALLED_S = 2.0
"""Seconds without audio after which a server counts as stalled, not merely slow."""
LATE_PAGE_S = 0.2
"""Seconds behind that one late page can explain: in a probe of less than 4 s it is no proof of a slow server."""
OWED_S = 0.5
"""Seconds of answer that may be missing at the end: the last frame stays in the codec (0.1 to 0.2 s)."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Median and 99th percentile, in milliseconds; None without a single value."""

    p50: float | None = None
    p99: float | None = None

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Spread:
        """Return the spread of values given in seconds."""
        if not seconds:
            return cls()
        ordered = sorted(seconds)
        return cls(_rounded_ms(_percentile(ordered, 0.50)), _rounded_ms(_percentile(ordered, 0.99)))

    def to_dict(self) -> dict[str, float | None]:
        """Return plain data for JSON."""
        return {"p50": self.p50, "p99": self.p99}


@dataclass(frozen=True, slots=True)
class AudioFigures:
    """The measure of one conversation; None where there was nothing to measure.

    `first_audio_ms`: from sending the first audio page to the first page that carries packets (header pages come
    before anything was said). `real_time_factor`: seconds of audio heard per second of hearing, counted from the
    first arrival (without its own audio) to the last; when more than half a second of answer is still owed, to the
    end of our voice if that was later. A server that keeps up gives 1.0 whatever its latency, one at half speed 0.5
    whether it drops half or comes late, one that falls silent for good after two of five seconds 0.4. None with fewer
    than two arrivals.
    `longest_gap_ms`: longest time between arrivals, the owed silence at the end included. `jitter`: how far the time
    between two arrivals was from the audio that the later one brought. `pacing_error`: how far our own sending was
    from its schedule.
    """

    sent_s: float = 0.0
    heard_s: float = 0.0
    first_audio_ms: float | None = None
    real_time_factor: float | None = None
    longest_gap_ms: float | None = None
    jitter: Spread = Spread()
    pacing_error: Spread = Spread()

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            "sent_s": round(self.sent_s, 3),
            "heard_s": round(self.heard_s, 3),
            "first_audio_ms": self.first_audio_ms,
            "real_time_factor": self.real_time_factor,
            "longest_gap_ms": self.longest_gap_ms,
            "jitter_ms": self.jitter.to_dict(),
            "pacing_error_ms": self.pacing_error.to_dict(),
        }


class Hearing:
    """Arrivals of audio in one conversation; all times in seconds of one monotonic clock."""

    def __init__(self, started_at: float, voice_ends_at: float) -> None:
        self.started_at = started_at
        """When the first audio page was sent."""
        self.voice_ends_at = voice_ends_at
        """When all that is sent has sounded."""
        self.heard_s = 0.0
        self._arrivals: list[tuple[float, float]] = []

    def hear(self, at: float, seconds: float) -> None:
        """Note `seconds` of audio that came at `at`; headers (0 s) are no audio."""
        if seconds > 0:
            self.heard_s += seconds
            self._arrivals.append((at, seconds))

    def measure(self, ended_at: float, sent_s: float, pacing_errors_s: Sequence[float]) -> AudioFigures:
        """Return the figures of a conversation in which listening ended at `ended_at`."""
        pacing = Spread.of([abs(error) for error in pacing_errors_s])
        if not self._arrivals:
            return AudioFigures(sent_s=sent_s, pacing_error=pacing)
        (first_at, first_s), arrivals = self._arrivals[0], self._arrivals
        last_at = arrivals[-1][0]
        is_owed = sent_s - self.heard_s > OWED_S
        wall = (max(last_at, self.voice_ends_at) if is_owed else last_at) - first_at
        gaps = [(later - earlier, brought) for (earlier, _), (later, brought) in pairwise(arrivals)]
        longest = max([gap for gap, _ in gaps] + [ended_at - last_at if is_owed else 0.0])
        return AudioFigures(
            sent_s=sent_s,
            heard_s=self.heard_s,
            first_audio_ms=_rounded_ms(first_at - self.started_at),
            real_time_factor=round((self.heard_s - first_s) / wall, 3) if gaps and wall > 0 else None,
            longest_gap_ms=_rounded_ms(longest),
            jitter=Spread.of([abs(gap - brought) for gap, brought in gaps]),
            pacing_error=pacing,
        )


def audio_means(figures: AudioFigures) -> Meaning:
    """Return what the figures of a conversation that was not cut off mean for the stage `audio`."""
    heard = f"heard {figures.heard_s:.2f} s of {figures.sent_s:.2f} s sent"
    if figures.heard_s <= 0:
        return Meaning("silent", f"nothing came back for {figures.sent_s:.1f} s of voice")
    gap_s = (figures.longest_gap_ms or 0.0) / 1000
    if gap_s >= STALLED_S:
        return Meaning("stalled", f"{heard}, with {gap_s:.1f} s of nothing")
    factor = figures.real_time_factor
    if factor is not None and factor < SLOW_BELOW and figures.heard_s > (figures.heard_s + LATE_PAGE_S) * factor:
        return Meaning("slow", f"{heard}, at {factor:.2f} of real time; {SLOW_BELOW} is needed")
    return Meaning("ok", heard)


def _rounded_ms(seconds: float) -> float:
    return round(seconds * 1000, 2)


def _percentile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]

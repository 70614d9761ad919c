"""What a probe found: stages, verdict, figures, and what was heard. Plain data, no I/O, no token in any text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any

from plexctl.probe.hearing import AudioFigures, Spread
from plexctl.probe.verdicts import verdict_of, worst_of
from plexctl.secret import Secret
from plexctl.voice import ogg_file
from plexctl.wire.stages import Stage

_GOOD = frozenset({"talking", "reachable"})


@dataclass(frozen=True, slots=True)
class Report:
    """One probe. `text` is what the model wrote while it spoke; `packets` the Opus packets it spoke."""

    url: str
    level: str
    stages: tuple[Stage, ...]
    audio: AudioFigures = AudioFigures()  # noqa: RUF009 - frozen
    text: str = ""
    packets: tuple[bytes, ...] = field(default=(), repr=False)

    @property
    def verdict(self) -> str:
        """One word over all stages."""
        return verdict_of(self.stages)

    @property
    def is_ok(self) -> bool:
        """True when everything that the level asks for was well."""
        return self.verdict in _GOOD

    @property
    def detail(self) -> str:
        """Words about the last stage: why the verdict is what it is."""
        return f"{self.stages[-1].name}: {self.stages[-1].detail or self.stages[-1].outcome}"

    @property
    def heard_ogg(self) -> bytes:
        """What was heard as a playable Ogg/Opus file; empty when nothing was."""
        return ogg_file(self.packets) if self.packets else b""

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            "url": self.url,
            "level": self.level,
            "verdict": self.verdict,
            "detail": self.detail,
            "stages": [_stage(stage) for stage in self.stages],
            "audio": self.audio.to_dict(),
            "text": self.text,
        }

    def without(self, token: Secret | None) -> Report:
        """Return the report with the token blotted out wherever a server repeated it."""
        if not token:
            return self
        secret = token.reveal()
        stages = tuple(replace(stage, detail=stage.detail.replace(secret, "***")) for stage in self.stages)
        return replace(self, stages=stages, text=self.text.replace(secret, "***"))


@dataclass(frozen=True, slots=True)
class ReportOfMany:
    """Several conversations held at the same time. The verdict is the worst one's, and so are its stages."""

    reports: tuple[Report, ...]

    @property
    def verdict(self) -> str:
        """The worst verdict."""
        return worst_of([report.verdict for report in self.reports])

    @property
    def is_ok(self) -> bool:
        """True when every conversation was well."""
        return all(report.is_ok for report in self.reports)

    @property
    def worst(self) -> Report:
        """The first report with the worst verdict."""
        return next(report for report in self.reports if report.verdict == self.verdict)

    @property
    def audio(self) -> AudioFigures:
        """Seconds summed; latency and p50 as medians; factor, gap and p99 as the worst of all."""
        figures = [report.audio for report in self.reports]
        return AudioFigures(
            sent_s=sum(one.sent_s for one in figures),
            heard_s=sum(one.heard_s for one in figures),
            first_audio_ms=_median([one.first_audio_ms for one in figures]),
            real_time_factor=min(_known([one.real_time_factor for one in figures]), default=None),
            longest_gap_ms=max(_known([one.longest_gap_ms for one in figures]), default=None),
            jitter=_together([one.jitter for one in figures]),
            pacing_error=_together([one.pacing_error for one in figures]),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON: one report's keys, plus the counts."""
        counts = Counter(report.verdict for report in self.reports)
        return {
            **self.worst.to_dict(),
            "audio": self.audio.to_dict(),
            "sessions": len(self.reports),
            "verdicts": dict(counts.most_common()),
        }


def _stage(stage: Stage) -> dict[str, Any]:
    return {
        "name": stage.name,
        "outcome": stage.outcome,
        "seconds": round(stage.seconds, 6),
        "detail": stage.detail,
    }


def _known(values: Sequence[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _median(values: Sequence[float | None]) -> float | None:
    known = _known(values)
    return round(median(known), 2) if known else None


def _together(spreads: Sequence[Spread]) -> Spread:
    return Spread(
        _median([spread.p50 for spread in spreads]), max(_known([spread.p99 for spread in spreads]), default=None)
    )

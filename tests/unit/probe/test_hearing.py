"""The figures mean what their definition says, for servers of every speed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plexctl.probe.hearing import AudioFigures, Hearing, Spread, audio_means


def heard(arrivals: list[tuple[float, float]], ended_at: float, sent_s: float = 5.0) -> AudioFigures:
    """Measure arrivals (time since the first page was sent, seconds of audio)."""
    hearing = Hearing(100.0, 100.0 + sent_s)
    for at, seconds in arrivals:
        hearing.hear(100.0 + at, seconds)
    return hearing.measure(100.0 + ended_at, sent_s, [0.001])


def test_a_server_that_drops_half_is_at_half_speed() -> None:
    """2.5 of 5 s came in time and the rest never: our waiting for it does not count."""
    arrivals = [(0.1 + number * 0.16, 0.08) for number in range(31)]
    assert heard(arrivals, ended_at=6.0).real_time_factor == pytest.approx(0.5, abs=0.02)


def at_speed(speed: float, count: int, latency_s: float = 0.158) -> list[tuple[float, float]]:
    """Return frames of 80 ms that arrive at a multiple of real time."""
    return [(latency_s + number * 0.08 / speed, 0.08) for number in range(count)]


@given(st.floats(0.0, 2.0), st.floats(0.3, 1.5))
def test_the_factor_is_the_speed_whatever_the_latency(latency_s: float, speed: float) -> None:
    """A server at full speed gives 1.0, at half speed 0.5."""
    figures = heard(at_speed(speed, 61, latency_s), ended_at=latency_s + 60 * 0.08 / speed)
    assert figures.real_time_factor == pytest.approx(speed, abs=0.01)


def test_personaplex_as_measured_is_talking() -> None:
    """4.88 of 5.0 s, first at 158 ms (facts/h200.md): factor 1.0, and no gap for the frame that stays behind."""
    figures = heard(at_speed(1.0, 61), ended_at=5.3)
    assert figures.first_audio_ms == pytest.approx(158)
    assert figures.heard_s == pytest.approx(4.88)
    assert figures.real_time_factor == pytest.approx(1.0)
    assert figures.longest_gap_ms == pytest.approx(80)
    assert figures.jitter.p99 == pytest.approx(0, abs=0.01)
    assert audio_means(figures).outcome == "ok"


def test_half_speed_is_slow() -> None:
    """3.5 s in 7 s."""
    figures = heard(at_speed(0.5, 43), ended_at=7.0)
    assert figures.real_time_factor == pytest.approx(0.5, abs=0.02)
    assert audio_means(figures).outcome == "slow"


def test_one_late_page_in_a_short_probe_is_not_slow() -> None:
    """Half a second of voice whose last page came 100 ms late: a factor of 0.8, and no proof of anything."""
    arrivals = [*at_speed(1.0, 5), (0.158 + 5 * 0.08 + 0.1, 0.08)]
    figures = heard(arrivals, ended_at=0.7, sent_s=0.5)
    assert figures.real_time_factor == pytest.approx(0.8)
    assert audio_means(figures).outcome == "ok"


def test_a_stop_for_good_is_stalled() -> None:
    """Two seconds of talk, then nothing: the silence that is owed counts, in the gap and in the factor."""
    figures = heard(at_speed(1.0, 25), ended_at=6.0)
    assert figures.longest_gap_ms == pytest.approx(3922)
    assert figures.real_time_factor == pytest.approx(1.92 / 4.842, abs=0.001)
    assert audio_means(figures).outcome == "stalled"


def test_a_gap_that_is_made_up_for_is_seen() -> None:
    """All audio came, but three seconds late in the middle."""
    late = [(at + (2.0 if number >= 30 else 0.0), s) for number, (at, s) in enumerate(at_speed(1.0, 61))]
    assert audio_means(heard(late, ended_at=7.1)).outcome == "stalled"


def test_headers_alone_are_silence() -> None:
    """The two header pages carry no second of audio."""
    figures = heard([(0.002, 0.0), (0.003, 0.0)], ended_at=10.0)
    assert figures.first_audio_ms is None
    assert figures.real_time_factor is None
    assert audio_means(figures).outcome == "silent"


def test_all_at_once_has_no_factor() -> None:
    """One arrival gives no rate; it is heard all the same."""
    figures = heard([(0.1, 5.0)], ended_at=5.0)
    assert figures.real_time_factor is None
    assert audio_means(figures).outcome == "ok"


@given(st.lists(st.floats(0, 10), min_size=1))
def test_percentiles_are_values_in_order(values: list[float]) -> None:
    """p50 is never above p99, and both were there."""
    spread = Spread.of(values)
    assert spread.p50 is not None
    assert spread.p99 is not None
    assert spread.p50 <= spread.p99 <= round(max(values) * 1000, 2)
    assert Spread.of([]).to_dict() == {"p50": None, "p99": None}


@given(st.lists(st.tuples(st.floats(0, 0.5), st.sampled_from([0.0, 0.02, 0.08])), max_size=8), st.floats(0.1, 10))
def test_a_known_factor_means_known_figures(steps: list[tuple[float, float]], sent_s: float) -> None:
    """Who has a factor may print latency, gap and jitter without asking again."""
    at, arrivals = 0.0, []
    for step, seconds in steps:
        at += step
        arrivals.append((at, seconds))
    figures = heard(arrivals, ended_at=at + 1, sent_s=sent_s)
    if figures.real_time_factor is not None:
        assert None not in (figures.first_audio_ms, figures.longest_gap_ms, figures.jitter.p50, figures.jitter.p99)

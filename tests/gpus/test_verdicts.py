from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from plexctl.gpus import (
    PERSONAPLEX_7B,
    Fit,
    Measurement,
    Pace,
    assess,
    budget,
    cpu_offload_finding,
    engines_that_fit,
    find,
    fit,
    fit_free,
    image_profile,
    known,
    predict,
    predict_unmeasured,
)
from plexctl.gpus.speed import pace
from plexctl.model import Level

BUDGET = budget(PERSONAPLEX_7B)
MEASURED_GIB = 19_617 / 1024
"""In use on an H200 while conversing (docs/gpus.md)."""


def test_the_budget_is_what_was_measured() -> None:
    """Within 5 % of the 19.16 GiB that an H200 has in use; 19.2 must be free, 20 are recommended."""
    assert BUDGET.needed == 19.2
    assert BUDGET.total == pytest.approx(20.0)
    assert BUDGET.needed == pytest.approx(MEASURED_GIB, rel=0.05)
    assert BUDGET.total == pytest.approx(MEASURED_GIB, rel=0.05)
    parts = BUDGET.weights + BUDGET.kv_cache + BUDGET.codecs + BUDGET.overhead
    assert parts == pytest.approx(MEASURED_GIB, rel=0.002)


def test_the_budget_shows_its_parts() -> None:
    """The rows for showing add up to what must be free, and the recommendation stands last."""
    *parts, must, recommended = BUDGET.rows()
    assert sum(gib for _, gib in parts) == pytest.approx(must[1], abs=0.1)
    assert (must, recommended) == (("must be free", 19.2), ("recommended", 20.0))


@pytest.mark.parametrize(
    ("free_gib", "verdict"),
    [(22.0, Fit.FITS), (20.0, Fit.FITS), (19.5, Fit.TIGHT), (19.2, Fit.TIGHT), (19.1, Fit.DOES_NOT_FIT)],
)
def test_free_memory_is_judged_as_it_was_measured(free_gib: float, verdict: Fit) -> None:
    """With 22, 20 and 19.5 GiB free it ran, with 18.5 it did not; 19.2 is what it takes."""
    assert fit_free(free_gib, BUDGET) is verdict
    assert fit_free(18.5, BUDGET) is Fit.DOES_NOT_FIT


@pytest.mark.parametrize(
    ("vram_gib", "verdict", "engines"),
    [
        (16, Fit.DOES_NOT_FIT, 0),
        (19.2, Fit.DOES_NOT_FIT, 0),
        (20, Fit.TIGHT, 1),
        (22, Fit.FITS, 1),
        (23.5, Fit.FITS, 1),
        (40, Fit.FITS, 2),
        (80, Fit.FITS, 4),
        (141, Fit.FITS, 7),
    ],
)
def test_memory_as_sold_is_judged_by_the_rule(vram_gib: float, verdict: Fit, engines: int) -> None:
    """22 GiB and more: accept; 20: warn; 16: refuse. An H200 holds seven engines, as it did when measured."""
    assert fit(vram_gib, BUDGET) is verdict
    assert engines_that_fit(vram_gib, BUDGET) == engines


@pytest.mark.parametrize(
    ("name", "verdict", "speed", "engines", "profile"),
    [
        ("T4", Fit.DOES_NOT_FIT, None, 0, None),
        ("V100", Fit.DOES_NOT_FIT, None, 0, None),
        ("RTX 4000 Ada", Fit.TIGHT, Pace.BORDERLINE, 1, "cu121"),
        ("RTX A4500", Fit.TIGHT, Pace.LIKELY, 1, "cu121"),
        ("L4", Fit.FITS, Pace.BORDERLINE, 1, "cu121"),
        ("A10G", Fit.FITS, Pace.LIKELY, 1, "cu121"),
        ("RTX 4090", Fit.FITS, Pace.YES, 1, "cu121"),
        ("L40S", Fit.FITS, Pace.YES, 1, "cu121"),
        ("A100", Fit.FITS, Pace.YES, 1, "cu121"),
        ("A100 80GB", Fit.FITS, Pace.YES, 1, "cu121"),
        ("H100", Fit.FITS, Pace.YES, 1, "cu121"),
        ("H200", Fit.FITS, Pace.YES, 2, "cu121"),
        ("GH200", Fit.FITS, Pace.YES, 1, "cu128-aarch64"),
        ("RTX 5090", Fit.FITS, Pace.YES, 1, "cu128"),
        ("RTX PRO 6000", Fit.FITS, Pace.YES, 1, "cu128"),
        ("B200", Fit.FITS, Pace.YES, 1, "cu128"),
        ("GB10", Fit.FITS, Pace.NO, 0, "cu128-aarch64"),
        ("RTX 5070 Ti", Fit.DOES_NOT_FIT, None, 0, "cu128"),
        ("RTX 4060 Ti", Fit.DOES_NOT_FIT, None, 0, "cu121"),
    ],
)
def test_verdicts(name: str, verdict: Fit, speed: Pace | None, engines: int, profile: str | None) -> None:
    """What plexctl says of the GPUs that people ask for."""
    judged = assess(find(name))
    assert judged.fit is verdict
    assert speed in (None, judged.prediction.pace)
    assert judged.engines == engines
    assert judged.is_refused is (engines == 0)
    assert judged.image_profile.name == profile


def test_a_t4_is_refused_for_its_memory() -> None:
    """The finding has the figures and the way out."""
    finding = assess(find("T4")).findings[0]
    assert (finding.check, finding.level) == ("gpu-memory", Level.FAIL)
    assert finding.message == "T4 has 16 GiB; an engine needs 19.2 GiB free: does not fit"
    assert finding.fix == "take one with 24 GiB or more"


def test_a_gb10_is_refused_for_its_bandwidth() -> None:
    """128 GiB, and not fast enough: memory is fine, real time is not."""
    memory, speed, image = assess(find("GB10")).findings
    assert (memory.level, speed.level, image.level) == (Level.OK, Level.FAIL, Level.OK)
    assert "273 GB/s" in speed.message


def test_an_l4_is_a_warning_to_be_measured() -> None:
    """It fits and may be too slow: not refused, and said."""
    judged = assess(find("L4"))
    assert judged.findings[1].level is Level.WARN
    assert "borderline: will be measured" in judged.findings[1].message
    assert not judged.is_refused


def test_blackwell_needs_its_own_image() -> None:
    """Torch's pin is lifted for it, and the reason is said."""
    profile = image_profile(find("RTX 5090"))
    assert profile.is_blackwell
    assert "sm_120" in profile.reason
    assert not image_profile(find("H200")).is_blackwell


def test_the_prediction_agrees_with_the_measurement_it_comes_from() -> None:
    """Arithmetic for an H200 is within 5 % of the 35.3 ms that were measured, and the measured figure is used."""
    row = find("H200")
    assert predict_unmeasured(row).ms_per_frame == pytest.approx(35.3, rel=0.05)
    found = predict(row)
    assert (found.ms_per_frame, found.basis, found.engines) == (35.3, "measured", 2)


@pytest.mark.parametrize("gpu", known(), ids=lambda gpu: gpu.name)
def test_nothing_keeps_real_time_side_by_side_without_a_measurement(gpu: object) -> None:
    """However much memory: more than one engine on a GPU comes from a measurement on it alone."""
    judged = assess(gpu)  # type: ignore[arg-type]
    assert judged.prediction.engines <= 1 or judged.prediction.basis == "measured"
    assert judged.engines <= judged.engines_that_fit


def test_a_users_measurement_replaces_a_prediction() -> None:
    """The newest measurement on this GPU counts; one on another GPU does not."""
    mine = [
        Measurement(gpu="L4", ms_per_frame=90.0, source="mine", as_of="2026-11-01"),
        Measurement(gpu="L4", ms_per_frame=71.0, source="mine, again", as_of="2026-11-02"),
        Measurement(gpu="A10G", ms_per_frame=60.0, source="mine", as_of="2026-11-03"),
    ]
    found = predict(find("L4"), PERSONAPLEX_7B, mine)
    assert (found.ms_per_frame, found.pace, found.basis, found.engines) == (71.0, Pace.LIKELY, "measured", 1)
    assert found.source == "mine, again, 2026-11-02"


def test_a_newer_measurement_of_one_engine_keeps_what_is_known_of_several() -> None:
    """Saving a frame time on an H200 does not forget that two engines kept real time on one."""
    mine = Measurement(gpu="H200", ms_per_frame=34.0, source="mine", as_of="2026-12-01")
    assert (predict(find("H200"), PERSONAPLEX_7B, [mine]).engines) == 2


def test_another_checkpoint_moves_a_measurement_by_its_bytes() -> None:
    """A checkpoint of twice the bytes takes longer than measured by what reading them takes, and is a prediction."""
    twice = replace(PERSONAPLEX_7B, bytes_read_per_frame=2 * PERSONAPLEX_7B.bytes_read_per_frame)
    found = predict(find("H200"), twice)
    assert found.basis == "predicted"
    assert found.ms_per_frame == pytest.approx(35.3 + 4.2, abs=0.1)
    assert found.engines == 1


def test_a_measured_failure_to_keep_real_time_is_a_refusal() -> None:
    """What somebody measured as too slow is refused, whatever arithmetic says."""
    slow = Measurement(gpu="A100 40GB", ms_per_frame=120.0, source="a slow host", as_of="2026-12-01")
    judged = assess(find("A100 40GB"), PERSONAPLEX_7B, [slow])
    assert judged.is_refused
    assert judged.engines == 0


@pytest.mark.parametrize(
    ("ms", "verdict"),
    [(56.0, Pace.YES), (56.1, Pace.LIKELY), (72.0, Pace.LIKELY), (72.1, Pace.BORDERLINE), (100.1, Pace.NO)],
)
def test_the_verdict_leaves_room_for_the_slowest_frames(ms: float, verdict: Pace) -> None:
    """Frames at the 99th percentile took 1.2 times the median: `yes` has room for them within 80 ms."""
    assert pace(ms) is verdict


def test_cpu_offload_is_refused_for_real_time_with_what_was_measured() -> None:
    """A 16 GB card with --cpu-offload: refused, because it never served; --force allows it, offline batch is warned."""
    refused = cpu_offload_finding(Fit.DOES_NOT_FIT)
    assert refused.level is Level.FAIL
    assert "15.5 GiB free" in refused.message
    assert "out of memory" in refused.message
    assert "--force" in (refused.fix or "")
    assert "offline batch" in (refused.fix or "")
    assert cpu_offload_finding(Fit.DOES_NOT_FIT, force=True).level is Level.WARN
    assert cpu_offload_finding(Fit.DOES_NOT_FIT, offline=True).level is Level.WARN
    assert "fits this GPU without it" in cpu_offload_finding(Fit.FITS).message


def test_a_larger_model_asks_for_a_larger_gpu() -> None:
    """A checkpoint in F32 passes through GPU memory as it is: twice the weights, and another card is named."""
    large = replace(PERSONAPLEX_7B, loaded_bytes=2 * PERSONAPLEX_7B.loaded_bytes)
    judged = assess(find("RTX 4090"), large)
    assert judged.fit is Fit.DOES_NOT_FIT
    assert "take one with 40 GiB" in (judged.findings[0].fix or "")


def test_importing_loads_neither_torch_nor_a_network() -> None:
    """`import plexctl.gpus` is cheap: standard library only, without sockets, subprocesses or an event loop."""
    script = "import sys, plexctl.gpus; plexctl.gpus.known(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not loaded & {"torch", "huggingface_hub", "msgspec", "asyncio", "socket", "subprocess", "ssl", "httpx"}

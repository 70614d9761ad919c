"""One GPU judged before any cost: memory, real time, image, and what to do about each.

Pure: it asks nobody. Findings name the check, the figures and the fix.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from plexctl.gpus.checkpoint import PERSONAPLEX_7B, Checkpoint
from plexctl.gpus.memory import Budget, Fit, budget, engines_that_fit, fit
from plexctl.gpus.profiles import ImageProfile, image_profile
from plexctl.gpus.speed import FRAME_MS, Measurement, Pace, Prediction, predict
from plexctl.gpus.table import Gpu
from plexctl.model import Finding, Level


@dataclass(frozen=True, slots=True)
class Assessment:
    """Everything that is known of a GPU for this model."""

    gpu: Gpu
    budget: Budget
    fit: Fit
    engines_that_fit: int
    prediction: Prediction
    image_profile: ImageProfile
    findings: tuple[Finding, ...]
    """`gpu-memory`, `gpu-real-time` and `gpu-image`, in this order; levels ok, warn, fail."""

    @property
    def is_refused(self) -> bool:
        """Whether a finding fails: it could never serve."""
        return any(finding.level is Level.FAIL for finding in self.findings)

    @property
    def engines(self) -> int:
        """Engines that fit and keep real time on this one GPU; what a price is divided by."""
        return 0 if self.is_refused else min(self.engines_that_fit, self.prediction.engines)


def assess(gpu: Gpu, checkpoint: Checkpoint = PERSONAPLEX_7B, measurements: Iterable[Measurement] = ()) -> Assessment:
    """Return the judgement on a GPU. `measurements`: those the user saved; our own are known without."""
    needs = budget(checkpoint)
    fits = fit(gpu.vram_gib, needs)
    prediction = predict(gpu, checkpoint, measurements)
    profile = image_profile(gpu)
    return Assessment(
        gpu=gpu,
        budget=needs,
        fit=fits,
        engines_that_fit=engines_that_fit(gpu.vram_gib, needs),
        prediction=prediction,
        image_profile=profile,
        findings=(_memory(gpu, needs, fits), _real_time(gpu, prediction), _image(gpu, profile)),
    )


def _memory(gpu: Gpu, needs: Budget, fits: Fit) -> Finding:
    words = f"{gpu.name} has {gpu.vram_gib:g} GiB; an engine needs {needs.needed:.1f} GiB free"
    if fits is Fit.FITS:
        return Finding("gpu-memory", Level.OK, words)
    if fits is Fit.TIGHT:
        fix = f"free it of everything else, or take one with {_comfortable_gib(needs)} GiB"
        return Finding("gpu-memory", Level.WARN, f"{words}: tight", fix)
    return Finding(
        "gpu-memory", Level.FAIL, f"{words}: does not fit", f"take one with {_comfortable_gib(needs)} GiB or more"
    )


def _comfortable_gib(needs: Budget) -> int:
    return next(size for size in (24, 32, 40, 48, 80, 96, 141, 192, 288, 1 << 20) if fit(size, needs) is Fit.FITS)


def _real_time(gpu: Gpu, prediction: Prediction) -> Finding:
    words = f"{prediction.basis} {prediction.ms_per_frame:.0f} ms for each frame of {FRAME_MS:.0f} ms on {gpu.name}"
    match prediction.pace:
        case Pace.NO:
            fix = "take a GPU with more memory bandwidth: 600 GB/s or more"
            return Finding("gpu-real-time", Level.FAIL, f"{words} ({gpu.bandwidth_gb_s:g} GB/s): not real time", fix)
        case Pace.BORDERLINE:
            fix = "let deploy measure it, or take a GPU with 600 GB/s or more"
            return Finding("gpu-real-time", Level.WARN, f"{words}: {prediction.pace.words}", fix)
        case _:
            return Finding("gpu-real-time", Level.OK, f"{words}: {prediction.pace.words}")


def _image(gpu: Gpu, profile: ImageProfile) -> Finding:
    if profile.name is None:
        fix = "take a GPU of compute capability 8.0 or newer"
        return Finding("gpu-image", Level.FAIL, profile.reason, fix)
    return Finding("gpu-image", Level.OK, f"{gpu.name} takes the image profile {profile.name}: {profile.reason}")


_OFFLOAD_MEASURED = (
    "--cpu-offload never served when measured: with 15.5 GiB free it loaded for 60 s and ended out of memory, and with "
    "room left for the KV cache it failed at warm-up (H200, docs/gpus.md)"
)


def cpu_offload_finding(fits: Fit, *, force: bool = False, offline: bool = False) -> Finding:
    """Return what to say to `--cpu-offload`: refused for real time, allowed with force, offered for offline batch."""
    if fits is Fit.FITS:
        words, fix = f"the model fits this GPU without it, and {_OFFLOAD_MEASURED}", "leave --cpu-offload out"
    else:
        words, fix = _OFFLOAD_MEASURED, "take a GPU with 24 GiB; --force tries it all the same, and offline batch may"
    if offline:
        words = f"offline batch need not keep real time; {_OFFLOAD_MEASURED}"
        return Finding("cpu-offload", Level.WARN, words, "expect 10 to 30 times slower than real time, if it runs")
    return Finding("cpu-offload", Level.WARN if force else Level.FAIL, words, fix)

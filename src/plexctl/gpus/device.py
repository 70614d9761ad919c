"""The GPU of this machine, asked by another Python: plexctl itself never imports torch.

The script that asks is the gateway's own (`gateway/engines/device_probe.py`), so that `doctor --gpu` and a gateway on
the same machine say the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from plexctl.errors import ConfigurationError
from plexctl.gpus.checkpoint import PERSONAPLEX_7B, Checkpoint
from plexctl.gpus.memory import GIB, Fit, budget, engines_that_fit, fit_free
from plexctl.gpus.speed import (
    BANDWIDTH_SHARE,
    FRAME_MS,
    Measurement,
    Pace,
    Prediction,
    predict,
)
from plexctl.gpus.table import Gpu, matching
from plexctl.model import Finding, Level

SCRIPT = Path(__file__).parents[1] / "gateway" / "engines" / "device_probe.py"
_TIMEOUT_S = 120.0
_BLACKWELL = 10.0
_INSTALL = "pip install 'plexctl[gpu]', or name the engine's python with --engine-python"


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """What the probe found. None is what nobody knows; `problem` says why nothing more is known."""

    torch: str | None
    torch_cuda: str | None
    problem: str | None = None
    name: str | None = None
    compute_capability: str | None = None
    driver: str | None = None
    driver_cuda: str | None = None
    devices: int = 0
    total_bytes: int = 0
    free_bytes: int = 0
    """Before a process makes its own CUDA context."""
    free_by: str | None = None
    arch_list: tuple[str, ...] = ()
    has_kernels: bool | None = None
    bandwidth_gb_s: float | None = None
    """Measured: what copies read and write in a second, 10^9 bytes."""
    bandwidth_s: float | None = None
    """How long measuring took."""

    @property
    def total_gib(self) -> float:
        """Memory that CUDA can give."""
        return self.total_bytes / GIB

    @property
    def free_gib(self) -> float:
        """Memory that is free now."""
        return self.free_bytes / GIB

    @property
    def gpu(self) -> Gpu | None:
        """Its row, by the driver's name and the nearest memory; None for one that plexctl does not know."""
        rows = matching(self.name, "cuda") if self.name else ()
        return min(rows, key=lambda gpu: abs(gpu.vram_gib - self.total_gib), default=None)


def probe_device(python: str, *, device: str = "cuda", has_bandwidth: bool = True) -> Device:
    """Ask what GPU is here, with the Python of an environment that has torch; takes seconds, most of them torch's.

    Raises ConfigurationError when this Python cannot be run or gives no answer.
    """
    import subprocess

    argv = [python, str(SCRIPT), "--device", device, *(["--bandwidth"] if has_bandwidth else [])]
    try:
        done = subprocess.run(argv, capture_output=True, timeout=_TIMEOUT_S, check=False, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.SubprocessError) as error:
        reason = getattr(error, "strerror", None) or f"no answer in {_TIMEOUT_S:.0f} s"
        raise ConfigurationError(f"cannot ask for the GPU with {python}: {reason}", hint=_INSTALL) from None
    return parse_device(done.stdout)


def parse_device(output: bytes) -> Device:
    """Return the probe's answer, the last line of its output. Raises ConfigurationError for anything else."""
    try:
        found: dict[str, Any] = json.loads(output.strip().rpartition(b"\n")[2])
        known = {one.name for one in fields(Device)}
        row = {key: value for key, value in found.items() if key in known}
        return Device(**{**row, "arch_list": tuple(row.get("arch_list", ()))})
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise ConfigurationError("the GPU's probe gave no answer", hint=_INSTALL) from None


def predict_device(
    device: Device, checkpoint: Checkpoint = PERSONAPLEX_7B, measurements: Iterable[Measurement] = ()
) -> Prediction | None:
    """Return how fast this very device is: by its measured bandwidth, unless frames were measured; None unknown."""
    row = row_of(device)
    return None if row is None else predict(row, checkpoint, measurements)


def row_of(device: Device) -> Gpu | None:
    """Return its row with the bandwidth that was measured instead of the datasheet's; None when nothing is known."""
    gpu = device.gpu
    if device.bandwidth_gb_s is None:
        return gpu
    # A row has a datasheet's bandwidth, of which copies reach a share.
    bandwidth = round(device.bandwidth_gb_s / BANDWIDTH_SHARE, 1)
    source = "measured by doctor --gpu"
    if gpu is not None:
        return replace(gpu, bandwidth_gb_s=bandwidth, source=source)
    name, capability = device.name or "GPU", device.compute_capability or "0.0"
    return Gpu(name, name, device.total_gib, bandwidth, "unknown", capability, "unknown", source, "")


def device_findings(
    device: Device, checkpoint: Checkpoint = PERSONAPLEX_7B, measurements: Iterable[Measurement] = ()
) -> tuple[Finding, ...]:
    """Return what `doctor --gpu` says: device, torch's kernels, free memory, bandwidth, real time."""
    if device.torch is None:
        return (Finding("gpu-torch", Level.FAIL, "this Python has no torch", _INSTALL),)
    if device.problem or device.name is None:
        fix = "check the driver with nvidia-smi, and that the container sees the GPU"
        return (Finding("gpu-device", Level.FAIL, f"no usable GPU: {device.problem}", fix),)
    driver = f", driver {device.driver}" if device.driver else ""
    words = f"{device.name}, compute capability {device.compute_capability}, CUDA {device.driver_cuda}{driver}"
    findings = [Finding("gpu-device", Level.OK, words), _kernels(device), _free(device, checkpoint)]
    prediction = predict_device(device, checkpoint, measurements)
    if device.bandwidth_gb_s is not None:
        words = f"{device.bandwidth_gb_s:.0f} GB/s measured in {device.bandwidth_s:.1f} s"
        findings.append(Finding("gpu-bandwidth", Level.OK, words))
    if prediction is not None:
        findings.append(_speed(prediction))
    return tuple(findings)


def _kernels(device: Device) -> Finding:
    built = f"torch {device.torch} for CUDA {device.torch_cuda}"
    if device.has_kernels:
        return Finding("gpu-kernels", Level.OK, f"{built} has kernels for this GPU")
    if device.has_kernels is None:
        return Finding("gpu-kernels", Level.WARN, f"{built}: whether it has kernels for this GPU is not known")
    words = f"{built} has none for this GPU ({device.compute_capability}), only {' '.join(device.arch_list)}"
    newer = float(device.compute_capability or 0) >= _BLACKWELL
    fix = "install torch 2.7 or newer for CUDA 12.8 or newer" if newer else "install a torch built for this GPU"
    return Finding("gpu-kernels", Level.FAIL, words, fix)


def _free(device: Device, checkpoint: Checkpoint) -> Finding:
    needs = budget(checkpoint)
    fits = fit_free(device.free_gib, needs)
    words = f"{device.free_gib:.1f} of {device.total_gib:.1f} GiB free; an engine needs {needs.needed:.1f}"
    if fits is Fit.FITS:
        count = engines_that_fit(device.free_gib, needs)
        return Finding("gpu-memory", Level.OK, f"{words}: {count} fit")
    fix = "end what else uses the GPU (nvidia-smi), or take one with 24 GB"
    if fits is Fit.TIGHT:
        return Finding("gpu-memory", Level.WARN, f"{words}: tight", fix)
    return Finding("gpu-memory", Level.FAIL, f"{words}: does not fit", fix)


def _speed(prediction: Prediction) -> Finding:
    words = f"{prediction.basis} {prediction.ms_per_frame:.0f} ms for each frame of {FRAME_MS:.0f} ms"
    words = f"{words}: {prediction.pace.words}; engines in real time: {prediction.engines}"
    levels = {Pace.NO: Level.FAIL, Pace.BORDERLINE: Level.WARN}
    return Finding("gpu-real-time", levels.get(prediction.pace, Level.OK), words)

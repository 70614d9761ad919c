from __future__ import annotations

import json
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from plexctl.errors import ConfigurationError
from plexctl.gateway.engines import device_probe
from plexctl.gpus import device_findings, parse_device, predict_device, probe_device
from plexctl.gpus.device import SCRIPT
from plexctl.model import Finding, Level

GIB = 1 << 30
H200: dict[str, Any] = {
    "torch": "2.11.0+cu130",
    "torch_cuda": "13.0",
    "name": "NVIDIA H200",
    "compute_capability": "9.0",
    "driver": "580.159.04",
    "driver_cuda": "13.0",
    "devices": 1,
    "total_bytes": int(139.8 * GIB),
    "free_bytes": int(139.7 * GIB),
    "free_by": "nvml",
    "arch_list": ["sm_80", "sm_90", "sm_120"],
    "has_kernels": True,
    "bandwidth_gb_s": 4240.0,
    "bandwidth_s": 0.8,
}


def findings(**changes: Any) -> dict[str, Finding]:
    """Return what doctor says of an H200 with these differences."""
    device = parse_device(json.dumps(H200 | changes).encode())
    return {finding.check: finding for finding in device_findings(device)}


def test_an_h200_passes_with_its_figures() -> None:
    """Device, kernels, memory, bandwidth and real time, all with their figures."""
    found = findings()
    assert {finding.level for finding in found.values()} == {Level.OK}
    assert list(found) == ["gpu-device", "gpu-kernels", "gpu-memory", "gpu-bandwidth", "gpu-real-time"]
    assert "139.7 of 139.8 GiB free" in found["gpu-memory"].message
    assert found["gpu-memory"].message.endswith("7 fit")
    assert "4240 GB/s measured in 0.8 s" in found["gpu-bandwidth"].message
    assert "measured 35 ms" in found["gpu-real-time"].message
    assert found["gpu-real-time"].message.endswith("engines in real time: 2")


@pytest.mark.parametrize(
    ("changes", "check", "level", "words"),
    [
        ({"torch": None}, "gpu-torch", Level.FAIL, "no torch"),
        ({"problem": "no NVIDIA driver"}, "gpu-device", Level.FAIL, "no usable GPU: no NVIDIA driver"),
        ({"name": None}, "gpu-device", Level.FAIL, "no usable GPU"),
        ({"free_bytes": 18 * GIB}, "gpu-memory", Level.FAIL, "does not fit"),
        ({"free_bytes": int(19.5 * GIB)}, "gpu-memory", Level.WARN, "tight"),
        ({"has_kernels": False}, "gpu-kernels", Level.FAIL, "none for this GPU"),
        ({"has_kernels": None}, "gpu-kernels", Level.WARN, "not known"),
        ({"name": "NVIDIA L4", "bandwidth_gb_s": 264.0}, "gpu-real-time", Level.WARN, "predicted 98 ms"),
        ({"name": "NVIDIA GB10", "bandwidth_gb_s": 230.0}, "gpu-real-time", Level.FAIL, ": no;"),
        ({"name": "NVIDIA X9", "bandwidth_gb_s": 9000.0}, "gpu-real-time", Level.OK, "predicted 33 ms"),
    ],
)
def test_each_problem_has_its_finding(changes: dict[str, Any], check: str, level: Level, words: str) -> None:
    """What is wrong with a device is found by its own check, with words and a way out for failures."""
    finding = findings(**changes)[check]
    assert finding.level is level
    assert words in finding.message
    assert level is not Level.FAIL or finding.fix or check == "gpu-real-time"


def test_an_unknown_gpu_without_bandwidth_is_not_guessed_at() -> None:
    """No row and no measurement: no prediction, rather than an invented one."""
    device = parse_device(json.dumps(H200 | {"name": "NVIDIA X9", "bandwidth_gb_s": None}).encode())
    assert predict_device(device) is None
    assert "gpu-real-time" not in {finding.check for finding in device_findings(device)}


def test_variants_are_told_apart_by_memory() -> None:
    """A device name that several rows share finds the row of its memory."""
    for gib, row in ((39.5, "A100 40GB"), (79.2, "A100 80GB PCIe")):
        device = parse_device(json.dumps(H200 | {"name": "A100", "total_bytes": int(gib * GIB)}).encode())
        assert device.gpu is not None
        assert device.gpu.name == row


@pytest.mark.parametrize("output", [b"", b"Traceback", b"[]", b'{"torch": "2"}', b"3", b"\xff"])
def test_no_answer_is_said(output: bytes) -> None:
    """A probe that crashed or printed something else is an error in words."""
    with pytest.raises(ConfigurationError, match="gave no answer"):
        parse_device(output)


def test_a_python_that_cannot_be_run_is_said(tmp_path: Path) -> None:
    """The path of no program is named."""
    with pytest.raises(ConfigurationError, match="No such file"):
        probe_device(str(tmp_path / "python"))


def test_the_probe_answers_on_any_machine() -> None:
    """With this Python, which has no torch: one line of JSON, exit 0, and doctor says what is missing."""
    device = probe_device(sys.executable)
    assert device.torch is None
    assert [finding.check for finding in device_findings(device)] == ["gpu-torch"]


@pytest.mark.parametrize("arguments", [["--device"], ["--device", "cuda:x"], ["--quick"], ["--device", "cuda:99"]])
def test_the_probe_never_fails(arguments: list[str]) -> None:
    """Whatever it is told, it prints one line of JSON that says what is wrong."""
    argv = [sys.executable, "-I", str(SCRIPT), *arguments]
    done = subprocess.run(argv, capture_output=True, check=True)
    assert not done.stderr
    assert json.loads(done.stdout)["problem"]


@pytest.mark.parametrize(
    ("archs", "device", "runs"),
    [
        ("sm_80 sm_86 sm_90", (9, 0), True),
        ("sm_80 sm_86 sm_90", (8, 9), True),
        ("sm_80", (8, 6), True),
        ("sm_86", (8, 0), False),
        ("sm_50 sm_80 sm_90", (12, 0), False),
        ("sm_90", (10, 0), False),
        ("sm_100 sm_120", (12, 1), True),
        ("sm_90 compute_90", (12, 0), True),
        ("compute_120", (9, 0), False),
        ("sm_90a", (9, 0), True),
        ("sm_100a", (10, 3), False),
        ("sm_120f", (12, 1), True),
        ("", (9, 0), False),
    ],
)
def test_kernels_cover_a_device_as_cuda_says(archs: str, device: tuple[int, int], runs: bool) -> None:  # noqa: FBT001
    """Binaries run on their own major version from their minor on, PTX on everything newer, `a` variants exactly."""
    assert device_probe.covers(archs.split(), *device) is runs


class FakeCuda:
    """A CUDA whose copies take the time that a bandwidth gives them, as torch shows it."""

    def __init__(self, gb_s: float) -> None:
        self.now_ms = 0.0
        self.gb_s = gb_s

    def torch(self) -> types.SimpleNamespace:
        """Return as much of torch as the probe needs."""
        cuda = self

        class Event:
            def __init__(self, **_: bool) -> None:
                self.at = 0.0

            def record(self) -> None:
                self.at = cuda.now_ms

            def synchronize(self) -> None:
                """Nothing is outstanding."""

            def elapsed_time(self, end: Event) -> float:
                return end.at - self.at

        class Tensor:
            def __init__(self, size: int) -> None:
                self.size = size

            def copy_(self, other: Tensor) -> None:
                cuda.now_ms += 2 * other.size / (cuda.gb_s * 1e6)

        shown = types.SimpleNamespace(
            Event=Event, synchronize=lambda _: None, mem_get_info=lambda _: (8 * GIB, 9 * GIB)
        )
        return types.SimpleNamespace(
            cuda=shown, uint8=None, zeros=lambda size, **_: Tensor(size), empty_like=lambda one: Tensor(one.size)
        )


@pytest.mark.parametrize("gb_s", [25.0, 273.0, 4240.0])
def test_bandwidth_is_what_copies_read_and_write(gb_s: float) -> None:
    """On slow and fast memory alike the figure is right, and measuring takes about half a second of copies."""
    cuda = FakeCuda(gb_s)
    assert device_probe.bandwidth(cuda.torch(), 0)["bandwidth_gb_s"] == pytest.approx(gb_s, rel=0.01)
    assert cuda.now_ms < 2000

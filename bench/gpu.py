"""What plexctl says of this GPU, beside what it really does: bandwidth, predicted and real milliseconds per frame.

    python bench/gpu.py [--engine-src CHECKOUT] [--frames 600] [--side-by-side 3] [--compile] [--json FILE]

Run with a Python that has torch; plexctl need not be installed in it. With `--engine-src`, a checkout of
NVIDIA/personaplex (3428dfd), real frames are timed as well (`bench/gpu_frames.py`: needs numpy, einops, safetensors),
without and, with `--compile`, also with torch.compile; `--side-by-side N` runs 1 to N engines at once, each with a
frame every 80 ms, to see how many keep real time. No network is needed. Prints a table, and the figures as JSON.
Exit 1 when something could not be measured; what could is printed all the same.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from plexctl.gpus import (  # noqa: E402 - from the checkout, whether installed or not
    PERSONAPLEX_7B,
    Device,
    budget,
    predict_unmeasured,
    probe_device,
)
from plexctl.gpus.device import row_of  # noqa: E402
from plexctl.gpus.memory import engines_that_fit  # noqa: E402

FRAMES = ROOT / "bench" / "gpu_frames.py"
FRAME_MS = 80.0
LATE_MS = 80.0
"""An engine that ends more than a frame late did not keep real time."""


def arguments_of() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--engine-src", type=Path, help="a checkout of NVIDIA/personaplex")
    parser.add_argument("--python", default=sys.executable, help="a Python with torch; this one by default")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--frames", type=int, default=600, help="timed frames after 40 to warm up; at least 20")
    parser.add_argument("--side-by-side", type=int, default=0, metavar="N", help="also 1 to N engines at once")
    parser.add_argument("--compile", action="store_true", help="also with torch.compile")
    parser.add_argument("--tiny", action="store_true", help="small sizes, to try the logic without a GPU")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    return parser.parse_args()


class Engine:
    """One process of `gpu_frames.py`, from its start to its figures."""

    def __init__(self, options: argparse.Namespace, *flags: str) -> None:
        argv = [options.python, str(FRAMES), "--engine-src", str(options.engine_src), "--device", options.device]
        argv += ["--frames", str(options.frames), *(["--tiny"] if options.tiny else []), *flags]
        self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def wait_until_warm(self) -> None:
        """Return when it waits for the start. Raises RuntimeError when it died; its words are on standard error."""
        for line in _pipe(self._process.stdout):
            if line.strip() == "ready":
                return
        raise RuntimeError(f"the engine ended with {self._process.wait()} before it was warm")

    def start(self) -> None:
        """Let it measure."""
        pipe = _pipe(self._process.stdin)
        pipe.write("go\n")
        pipe.flush()

    def figures(self) -> dict[str, Any]:
        """Return what it measured. Raises RuntimeError when it died."""
        lines = _pipe(self._process.stdout).read().strip().splitlines()
        if self._process.wait() != 0 or not lines:
            raise RuntimeError(f"the engine ended with {self._process.returncode} while it measured")
        found: dict[str, Any] = json.loads(lines[-1])
        return found

    def end(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.wait()


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe


def measure(options: argparse.Namespace, count: int, *flags: str) -> list[dict[str, Any]]:
    """Return the figures of so many engines that measure at the same time."""
    engines = [Engine(options, *flags) for _ in range(count)]
    try:
        for engine in engines:
            engine.wait_until_warm()
        for engine in engines:
            engine.start()
        return [engine.figures() for engine in engines]
    finally:
        for engine in engines:
            engine.end()


def device_figures(device: Device) -> dict[str, Any]:
    """Return what plexctl says: bandwidth, prediction by datasheet and by measurement, memory."""
    found: dict[str, Any] = {"device": asdict(device)}
    if device.gpu is not None:
        found["datasheet"] = asdict(predict_unmeasured(device.gpu))
        found["datasheet_gb_s"] = device.gpu.bandwidth_gb_s
    measured = row_of(device)
    if device.bandwidth_gb_s is not None and measured is not None:
        found["by_measured_bandwidth"] = asdict(predict_unmeasured(measured))
    needs = budget(PERSONAPLEX_7B)
    found["budget_gib"] = {part: round(gib, 2) for part, gib in needs.rows()}
    found["engines_that_fit"] = engines_that_fit(device.free_gib, needs)
    return found


def frame_figures(options: argparse.Namespace, problems: list[str]) -> dict[str, Any]:
    """Return what frames really take; what cannot be measured goes to `problems`."""
    found: dict[str, Any] = {}
    wanted = [("frames", 1, ["--parts"])]
    if options.compile:
        wanted.append(("frames_compiled", 1, ["--parts", "--compile"]))
    wanted += [(f"side_by_side_{count}", count, ["--paced"]) for count in range(1, options.side_by_side + 1)]
    for name, count, flags in wanted:
        print(f"  {name} ...", file=sys.stderr, flush=True)
        try:
            figures = measure(options, count, *flags)
        except (OSError, RuntimeError, ValueError) as error:
            problems.append(f"{name}: {error}")
            continue
        found[name] = figures if name.startswith("side") else figures[0]
    return found


def keeps_real_time(figures: Sequence[dict[str, Any]]) -> bool:
    """Tell whether each of the engines ended its last frame in time."""
    return all(one["late_ms"] <= LATE_MS and one["p50_ms"] < FRAME_MS for one in figures)


def rows(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return the table: what, figure, how it was come by."""
    device, table = found["device"], []
    free = f"{device['free_bytes'] / 2**30:.2f} of {device['total_bytes'] / 2**30:.2f} GiB"
    table.append(("device", str(device["name"]), f"torch {device['torch']}, driver {device['driver']}"))
    table.append(("memory free", free, f"by {device['free_by']}; {found['engines_that_fit']} engines fit"))
    if "datasheet" in found:
        table.append(("bandwidth", f"{found['datasheet_gb_s']:.0f} GB/s", "datasheet"))
    if device["bandwidth_gb_s"]:
        how = f"measured in {device['bandwidth_s']} s (copies, read and write)"
        table.append(("bandwidth", f"{device['bandwidth_gb_s']:.0f} GB/s", how))
    for key, how in (("datasheet", "datasheet's bandwidth"), ("by_measured_bandwidth", "measured bandwidth")):
        if key in found:
            table.append(("ms per frame", f"{found[key]['ms_per_frame']}", f"predicted, {how}: {found[key]['pace']}"))
    for key in ("frames", "frames_compiled"):
        if key in found:
            table += frame_rows(found[key])
    for key in (key for key in found if key.startswith("side_by_side")):
        figures = found[key]
        times = ", ".join(f"{one['p50_ms']}" for one in figures)
        late = ", ".join(f"{one['late_ms']:.0f}" for one in figures)
        verdict = "real time" if keeps_real_time(figures) else "not real time"
        table.append((f"{len(figures)} at once", verdict, f"p50 {times} ms; at the end late by {late} ms"))
    return table


def frame_rows(one: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return the rows of one engine's real frames."""
    how = "torch.compile" if one["compiled"] else "no torch.compile"
    spread = f"p95 {one['p95_ms']}, p99 {one['p99_ms']}, max {one['max_ms']}, n={one['frames']}"
    table = [("ms per frame", f"{one['p50_ms']}", f"measured, {how}: {spread}")]
    if "parts_ms" in one:
        table.append(("its parts", "", ", ".join(f"{part} {ms}" for part, ms in one["parts_ms"].items())))
    if "used_mib" in one:
        words = f"measured; torch allocated {one['allocated_mib']} MiB, reserved {one['reserved_mib']} MiB"
        table.append(("memory in use", f"{one['used_mib'] / 1024:.2f} GiB", words))
        needed = budget(PERSONAPLEX_7B).needed
        table.append(("memory in use", f"{needed:.2f} GiB", f"plexctl's budget: {needed * 1024 / one['used_mib']:.3f}"))
    return table


def main() -> None:
    """Measure, print the table and the JSON."""
    options = arguments_of()
    problems: list[str] = []
    device = probe_device(options.python, device=options.device)
    if device.problem:
        problems.append(f"device: {device.problem}")
    found = device_figures(device)
    if options.engine_src is not None:
        found |= frame_figures(options, problems)
    found["problems"] = problems
    for what, figure, how in rows(found):
        print(f"{what:<15} {figure:<24} {how}")
    for problem in problems:
        print(f"not measured: {problem}")
    text = json.dumps(found, indent=1)
    print(text)
    if options.json is not None:
        options.json.write_text(text + "\n", encoding="utf-8")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()

"""Before an engine starts: can this GPU hold it? Asked in a second or so, instead of found out after a 17 GB download.

`engines/device_probe.py` runs with the engine's own Python. Too little free memory, no CUDA and no kernels for this GPU
are refusals in words; what cannot be known (no torch there, another server's script, another device) is skipped with a
line in the log, and the engine's own failure will tell. torch is imported only where a download would follow, because
that takes seconds and a warm start should not. `PLEXCTL_GPU_CHECK=0` leaves it out.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from plexctl.gateway.logbook import Logbook
from plexctl.gateway.settings import EngineSettings
from plexctl.gateway.weights.request import DEFAULT_REPO, hub_cache, repo_folder

NEEDED_GIB = 19.2
"""Free memory for one engine; the same as `plexctl.gpus.budget` of the 7B model, which a test compares."""
_GIB = 1 << 30
_PROBE = Path(__file__).parent / "engines" / "device_probe.py"
_TIMEOUT_S = 60.0
_BLACKWELL = 10.0
_BLACKWELL_CUDA = (12, 8)


async def refusal(settings: EngineSettings, logbook: Logbook) -> str | None:
    """Return why no engine can run on this GPU, in words; None when one can, or when nobody knows."""
    if settings.name != "personaplex":
        return None
    why = skipped(settings)
    if why is not None:
        logbook.write("gateway", f"GPU check: left out, {why}")
        return None
    found = await _ask(settings)
    if isinstance(found, str):
        logbook.write("gateway", f"GPU check: left out, {found}")
        return None
    reason = judge(found, settings)
    logbook.write("gateway", f"GPU check: {reason or in_words(found)}")
    return reason


def skipped(settings: EngineSettings) -> str | None:
    """Return why nothing is asked at all, None when it is."""
    if settings.environment.get("PLEXCTL_GPU_CHECK", "").strip() == "0":
        return "PLEXCTL_GPU_CHECK is 0"
    if settings.script:
        return "PLEXCTL_ENGINE_SCRIPT runs another server"
    if settings.device and not settings.device.startswith("cuda"):
        return f"PLEXCTL_DEVICE is {settings.device}"
    return None


def judge(found: Mapping[str, Any], settings: EngineSettings) -> str | None:
    """Return the reason why no engine can run on what was found, None when one can."""
    problem = found.get("problem")
    if problem:
        return f"no usable GPU: {problem}; check that the container sees one and that its driver is recent enough"
    name, capability = found["name"], found["compute_capability"]
    if found.get("torch_cuda") is None:
        return f"no usable GPU: torch {found['torch']} was built without CUDA; install one with it for {name}"
    if not _has_kernels(found):
        built = f"torch {found['torch']} for CUDA {found['torch_cuda']}"
        return f"no kernel for this GPU: {built} was not built for {name} ({capability}); use an image made for it"
    needed, free = NEEDED_GIB * settings.count, found["free_bytes"] / _GIB
    if free < needed and not settings.cpu_offload:
        engines = "PersonaPlex needs" if settings.count == 1 else f"{settings.count} engines need"
        return (
            f"too little GPU memory: {name} has {free:.1f} of {found['total_bytes'] / _GIB:.1f} GiB free and "
            f"{engines} {needed:.1f}; use a GPU with 24 GB, or free this one"
        )
    return None


def _has_kernels(found: Mapping[str, Any]) -> bool:
    """Tell whether torch's kernels cover the GPU: as torch said, or by the CUDA it was built for."""
    said = found.get("has_kernels")
    if said is not None:
        return bool(said)
    try:
        cuda = tuple(int(part) for part in str(found["torch_cuda"]).split("."))
    except ValueError:
        return True
    return float(found["compute_capability"]) < _BLACKWELL or cuda >= _BLACKWELL_CUDA


def in_words(found: Mapping[str, Any]) -> str:
    """Return what was found, for the log."""
    free, total = found["free_bytes"] / _GIB, found["total_bytes"] / _GIB
    return f"{found['name']}, {free:.1f} of {total:.1f} GiB free, torch {found['torch']} for CUDA {found['torch_cuda']}"


async def _ask(settings: EngineSettings) -> dict[str, Any] | str:
    """Return what the probe found, or in words why nobody knows."""
    argv = [settings.python, str(_PROBE), "--device", settings.device or "cuda"]
    if has_weights(settings.environment, settings.model_repo or DEFAULT_REPO):
        argv.append("--quick")
    pipe, null = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    try:
        process = await asyncio.create_subprocess_exec(
            *argv, env=dict(settings.environment), stdin=null, stdout=pipe, stderr=null
        )
    except OSError as error:
        return f"the engine's python cannot be run: {error}"
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            output, _ = await process.communicate()
    except TimeoutError:
        return f"it took more than {_TIMEOUT_S:.0f} s"
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    return parse(output)


def parse(output: bytes) -> dict[str, Any] | str:
    """Return the probe's last line of output as data, or in words what it lacks."""
    try:
        found = json.loads(output.strip().rpartition(b"\n")[2])
        if found["torch"] is None:
            return "the engine's environment has no torch"
        if not found.get("problem"):
            found["free_bytes"] + found["total_bytes"] + float(found["compute_capability"])
            found["name"].strip()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return "its probe gave no answer"
    return dict(found)


def has_weights(environment: Mapping[str, str], repo: str) -> bool:
    """Tell whether a revision of the weights is in the engine's cache."""
    snapshots = hub_cache(environment) / repo_folder(repo) / "snapshots"
    return any(snapshots.glob("*/model.safetensors"))

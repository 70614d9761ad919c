from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from tests.gateway.rig import start, until

from plexctl.gateway import gpu_check
from plexctl.gateway.settings import EngineSettings, Settings
from plexctl.gpus import PERSONAPLEX_7B, budget

GIB = 1 << 30
L4: dict[str, Any] = {
    "torch": "2.4.1+cu121",
    "torch_cuda": "12.1",
    "name": "NVIDIA L4",
    "compute_capability": "8.9",
    "total_bytes": 22 * GIB,
    "free_bytes": int(21.8 * GIB),
    "has_kernels": True,
}
STARTED = "an engine started"


def engine(tmp_path: Path, answer: dict[str, Any] | str, **variables: str) -> dict[str, str]:
    """Return the environment of a gateway whose engine's Python answers the probe so, and is no engine otherwise."""
    python = tmp_path / "python"
    line = answer if isinstance(answer, str) else json.dumps(answer)
    script = f"""#!/bin/sh
case "$1" in
*device_probe.py) echo "$@" > {tmp_path}/probed; cat <<'EOF'
{line}
EOF
;;
*) echo "RuntimeError: {STARTED}"; exit 1;;
esac
"""
    python.write_text(script)
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    home = {"HF_HOME": str(tmp_path / "hf"), "PLEXCTL_ENGINE_PYTHON": str(python)}
    return {"PLEXCTL_ENGINE": "personaplex", **home, **variables}


def settings(**variables: str) -> EngineSettings:
    """Return an engine's settings."""
    python = {"PLEXCTL_ENGINE": "personaplex", "PLEXCTL_ENGINE_PYTHON": "/bin/sh", "PLEXCTL_TOKEN": "t"}
    return Settings.from_environment(python | variables).engine


def test_gateway_and_planner_need_the_same_memory() -> None:
    """The gateway travels alone, so the figure stands there twice."""
    assert budget(PERSONAPLEX_7B).needed == gpu_check.NEEDED_GIB


@pytest.mark.parametrize(
    ("changes", "variables", "words"),
    [
        ({}, {}, None),
        ({"free_bytes": int(19.2 * GIB) + 1}, {}, None),
        (
            {"free_bytes": 18 * GIB},
            {},
            "too little GPU memory: NVIDIA L4 has 18.0 of 22.0 GiB free and PersonaPlex needs",
        ),
        ({"free_bytes": 18 * GIB}, {"PLEXCTL_CPU_OFFLOAD": "1"}, None),
        ({}, {"PLEXCTL_ENGINES": "2"}, "2 engines need 38.4"),
        ({"problem": "cuInit: no CUDA-capable device (100)"}, {}, "no usable GPU: cuInit"),
        ({"torch_cuda": None}, {}, "built without CUDA"),
        ({"has_kernels": False}, {}, "no kernel for this GPU: torch 2.4.1+cu121 for CUDA 12.1"),
        ({"has_kernels": None, "compute_capability": "12.0"}, {}, "no kernel for this GPU"),
        ({"has_kernels": None, "compute_capability": "12.0", "torch_cuda": "12.8"}, {}, None),
        ({"has_kernels": None, "compute_capability": "12.0", "torch_cuda": "odd"}, {}, None),
    ],
)
def test_what_was_found_is_judged(changes: dict[str, Any], variables: dict[str, str], words: str | None) -> None:
    """Too little memory, no CUDA and no kernels are refusals with figures; all else may try."""
    reason = gpu_check.judge(L4 | changes, settings(**variables))
    assert (reason is None) is (words is None)
    assert words is None or words in (reason or "")


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (b"", "no answer"),
        (b"Traceback (most recent call last):\n", "no answer"),
        (b"[]", "no answer"),
        (b'{"torch": "2.4"}', "no answer"),
        (json.dumps(L4 | {"free_bytes": "many"}).encode(), "no answer"),
        (b'{"torch": null}', "no torch"),
    ],
)
def test_an_answer_that_says_nothing_is_passed_over(output: bytes, words: str) -> None:
    """What nobody knows refuses nothing."""
    found = gpu_check.parse(output)
    assert isinstance(found, str)
    assert words in found


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"PLEXCTL_DEVICE": "cpu"}, "PLEXCTL_DEVICE is cpu"),
        ({"PLEXCTL_DEVICE": "mps"}, "PLEXCTL_DEVICE is mps"),
        ({"PLEXCTL_ENGINE_SCRIPT": __file__}, "another server"),
        ({"PLEXCTL_GPU_CHECK": "0"}, "PLEXCTL_GPU_CHECK is 0"),
        ({"PLEXCTL_DEVICE": "cuda:1"}, None),
        ({}, None),
    ],
)
def test_where_the_check_would_be_wrong_it_is_left_out(variables: dict[str, str], words: str | None) -> None:
    """Another device, another server, or by request."""
    why = gpu_check.skipped(settings(**variables))
    assert (why is None) is (words is None)
    assert words is None or words in (why or "")


def test_weights_are_looked_for_where_huggingface_hub_keeps_them(tmp_path: Path) -> None:
    """HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME and HOME, in this order."""
    name = "models--nvidia--personaplex-7b-v1/snapshots/abc"
    places = {
        "HF_HUB_CACHE": "",
        "HF_HOME": "hub",
        "XDG_CACHE_HOME": "huggingface/hub",
        "HOME": ".cache/huggingface/hub",
    }
    for variable, below in places.items():
        environment = {variable: str(tmp_path / variable)}
        assert not gpu_check.has_weights(environment, "nvidia/personaplex-7b-v1")
        folder = tmp_path / variable / below / name
        folder.mkdir(parents=True)
        (folder / "model.safetensors").write_text("")
        assert gpu_check.has_weights(environment, "nvidia/personaplex-7b-v1")
        assert not gpu_check.has_weights(environment, "ann/other")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"free_bytes": 14 * GIB, "name": "Tesla T4"}, "too little GPU memory: Tesla T4 has 14.0"),
        ({"has_kernels": False, "name": "NVIDIA GeForce RTX 5090"}, "no kernel for this GPU"),
        ({"problem": "no NVIDIA driver (libcuda.so.1) is here"}, "no usable GPU: no NVIDIA driver"),
    ],
)
async def test_a_gpu_that_cannot_hold_it_fails_before_any_engine(
    tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    """The state is `failed` at once, with words, and the engine, which would download, was never started."""
    gateway = await start(**engine(tmp_path, L4 | changes))
    try:
        assert words in (await gateway.state("failed"))["reason"]
        assert not any(STARTED in line or "starts on port" in line for line in gateway.lines)
        assert "--quick" not in (tmp_path / "probed").read_text()
    finally:
        assert await gateway.stop() == 0


async def test_a_good_gpu_starts_the_engine_and_stands_in_the_log(tmp_path: Path) -> None:
    """The figures are logged, and the engine gets its chance."""
    gateway = await start(**engine(tmp_path, L4))
    try:
        assert STARTED in (await gateway.state("failed"))["reason"]
        assert "NVIDIA L4, 21.8 of 22.0 GiB free" in await gateway.line("GPU check")
    finally:
        assert await gateway.stop() == 0


@pytest.mark.parametrize("answer", ["Segmentation fault", '{"torch": null}'])
async def test_what_cannot_be_known_starts_the_engine(tmp_path: Path, answer: str) -> None:
    """No torch, or no answer: a line in the log, and the engine's own failure tells."""
    gateway = await start(**engine(tmp_path, answer))
    try:
        assert STARTED in (await gateway.state("failed"))["reason"]
        assert "left out" in await gateway.line("GPU check")
    finally:
        assert await gateway.stop() == 0


async def test_weights_that_are_here_make_the_check_quick(tmp_path: Path) -> None:
    """A warm start does not wait for torch: only driver and memory are asked."""
    folder = tmp_path / "hf/hub/models--nvidia--personaplex-7b-v1/snapshots/abc"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_text("")
    gateway = await start(**engine(tmp_path, {k: v for k, v in L4.items() if k != "has_kernels"}))
    try:
        await gateway.line(STARTED)
        assert "--quick" in (tmp_path / "probed").read_text()
    finally:
        assert await gateway.stop() == 0


async def test_a_gateway_that_is_stopped_while_it_asks_leaves_nothing(tmp_path: Path) -> None:
    """SIGTERM during the check ends the gateway and its probe; nothing is waited out."""
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid.new\nmv {tmp_path}/pid.new {tmp_path}/pid\nexec sleep 60\n")
    python.chmod(0o755)
    gateway = await start(PLEXCTL_ENGINE="personaplex", PLEXCTL_ENGINE_PYTHON=str(python))

    async def asked() -> int | None:
        return int((tmp_path / "pid").read_text()) if (tmp_path / "pid").is_file() else None

    pid = await until(asked)
    assert (await gateway.health())["state"] == "starting"
    assert await gateway.stop() == 0
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)

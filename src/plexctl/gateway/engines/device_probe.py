"""What GPU is here, as one line of JSON: run by the Python of the engine's environment, or of the extra `gpu`.

    python device_probe.py [--device cuda:1] [--quick] [--bandwidth]

Imports nothing of plexctl. With `--quick` torch is not imported either, which takes seconds: driver and memory are
asked through the NVIDIA libraries (CUDA driver API, NVML), and torch's version is read from its files.
`--bandwidth` copies GPU memory for half a second. It never fails: `problem` says what is wrong.

Free memory is NVML's, which is what is free before a process makes its own CUDA context (0.6 GiB on an H200). Without
NVML, and on a MIG slice, of which NVML tells the whole, it is CUDA's with this process's context added back.
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import runpy
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

CONTEXT_BYTES = 621 << 20
"""A CUDA context on an H200, measured; other cards' are of this order (guess)."""
_MAJOR, _MINOR = 75, 76
"""CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR of cuda.h."""
_MIG_SHARE = 0.9
_COPY_BYTES = 1 << 30
_COPY_S = 0.5


class DriverError(Exception):
    """The driver refused; the text says what."""


def main(arguments: list[str]) -> None:
    """Print what is known of the device."""
    found = torch_files()
    try:
        name = arguments[arguments.index("--device") + 1] if "--device" in arguments else "cuda"
        index = int(name.partition(":")[2] or 0)
        found.update(device(index))
        if "--quick" not in arguments and found["torch"] is not None:
            found.update(with_torch(index, has_bandwidth="--bandwidth" in arguments))
    except (DriverError, OSError) as error:
        found["problem"] = str(error)
    except Exception as error:  # noqa: BLE001 - torch may raise anything, and a line is owed
        found["problem"] = f"{type(error).__name__}: {error}"
    sys.stdout.write(json.dumps(found) + "\n")


def torch_files() -> dict[str, Any]:
    """Return torch's version and the CUDA it was built for, without importing it; None where there is none."""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return {"torch": None, "torch_cuda": None}
    try:
        version = runpy.run_path(str(Path(spec.origin).with_name("version.py")))
    except (OSError, SyntaxError, ImportError):
        return {"torch": "unknown", "torch_cuda": None}
    return {"torch": str(version.get("__version__", "unknown")), "torch_cuda": version.get("cuda")}


def device(index: int) -> dict[str, Any]:
    """Return the driver's facts about a device, in bytes. Raises DriverError, or OSError without a driver."""
    try:
        cuda = ctypes.CDLL("libcuda.so.1")
    except OSError:
        raise DriverError("no NVIDIA driver (libcuda.so.1) is here") from None
    _call(cuda, "cuInit", 0)
    count, handle = ctypes.c_int(), ctypes.c_int()
    _call(cuda, "cuDeviceGetCount", ctypes.byref(count))
    if not 0 <= index < count.value:
        raise DriverError(f"there is no CUDA device {index}: {count.value} are visible")
    _call(cuda, "cuDeviceGet", ctypes.byref(handle), index)
    name, bus = ctypes.create_string_buffer(128), ctypes.create_string_buffer(32)
    total, major, minor, driver = ctypes.c_size_t(), ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
    _call(cuda, "cuDeviceGetName", name, len(name), handle)
    _call(cuda, "cuDeviceGetPCIBusId", bus, len(bus), handle)
    _call(cuda, "cuDeviceTotalMem_v2", ctypes.byref(total), handle)
    _call(cuda, "cuDeviceGetAttribute", ctypes.byref(major), _MAJOR, handle)
    _call(cuda, "cuDeviceGetAttribute", ctypes.byref(minor), _MINOR, handle)
    _call(cuda, "cuDriverGetVersion", ctypes.byref(driver))
    memory = nvml_memory(bus.value)
    if memory is None or total.value < _MIG_SHARE * memory["total_bytes"]:
        memory = context_memory(cuda, handle)
    return {
        "name": name.value.decode(errors="replace"),
        "compute_capability": f"{major.value}.{minor.value}",
        "driver_cuda": f"{driver.value // 1000}.{driver.value % 1000 // 10}",
        "devices": count.value,
        **memory,
        "total_bytes": total.value,
    }


def nvml_memory(bus: bytes) -> dict[str, Any] | None:
    """Return what NVML says of the memory of the device on this PCI bus; None where it cannot."""
    try:
        nvml = ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return None
    handle, memory = ctypes.c_void_p(), (ctypes.c_ulonglong * 3)()
    version = ctypes.create_string_buffer(96)
    if (
        nvml.nvmlInit_v2() != 0
        or nvml.nvmlDeviceGetHandleByPciBusId_v2(bus, ctypes.byref(handle)) != 0
        or nvml.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(memory)) != 0
    ):
        return None
    driver = version.value.decode() if nvml.nvmlSystemGetDriverVersion(version, len(version)) == 0 else None
    return {"total_bytes": memory[0], "free_bytes": memory[1], "free_by": "nvml", "driver": driver}


def context_memory(cuda: Any, handle: Any) -> dict[str, Any]:
    """Return what CUDA says is free, this process's context added back."""
    context, free, total = ctypes.c_void_p(), ctypes.c_size_t(), ctypes.c_size_t()
    _call(cuda, "cuDevicePrimaryCtxRetain", ctypes.byref(context), handle)
    _call(cuda, "cuCtxSetCurrent", context)
    _call(cuda, "cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
    cuda.cuDevicePrimaryCtxRelease_v2(handle)
    free_bytes = min(free.value + CONTEXT_BYTES, total.value)
    return {"total_bytes": total.value, "free_bytes": free_bytes, "free_by": "cuda", "driver": None}


def _call(library: Any, function: str, *arguments: Any) -> None:
    code = getattr(library, function)(*arguments)
    if code == 0:
        return
    text = ctypes.c_char_p()
    library.cuGetErrorString(code, ctypes.byref(text))
    raise DriverError(f"the NVIDIA driver refused {function}: {(text.value or b'?').decode()} ({code})")


def with_torch(index: int, *, has_bandwidth: bool) -> dict[str, Any]:
    """Return what only torch can tell: its kernels, and the bandwidth that a copy reaches."""
    torch: Any = import_module("torch")
    if not torch.cuda.is_available():
        return {"problem": f"torch {torch.__version__} sees no CUDA device"}
    archs = torch.cuda.get_arch_list()
    major, minor = torch.cuda.get_device_capability(index)
    found = {"arch_list": archs, "has_kernels": covers(archs, major, minor)}
    if has_bandwidth and found["has_kernels"]:
        found.update(bandwidth(torch, index))
    return found


def covers(archs: list[str], major: int, minor: int) -> bool:
    """Tell whether kernels for these architectures run on a device: its own major and no newer minor, or older PTX."""
    for arch in archs:
        kind, _, digits = arch.partition("_")
        is_exact = digits.endswith("a")
        number = int("".join(filter(str.isdigit, digits)) or 0)
        theirs = divmod(number, 10)
        if theirs == (major, minor) or (kind == "compute" and not is_exact and theirs <= (major, minor)):
            return True
        if kind == "sm" and not is_exact and theirs[0] == major and theirs[1] <= minor:
            return True
    return False


def bandwidth(torch: Any, index: int) -> dict[str, Any]:
    """Return the bandwidth of copies in GPU memory, reads and writes together, in 10^9 bytes a second."""
    began = time.monotonic()
    where = f"cuda:{index}"
    free, _ = torch.cuda.mem_get_info(index)
    size = min(_COPY_BYTES, free // 4)
    source = torch.zeros(size, dtype=torch.uint8, device=where)
    target = torch.empty_like(source)
    copies = 1
    while True:
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        torch.cuda.synchronize(index)
        start.record()
        for _ in range(copies):
            target.copy_(source)
        end.record()
        end.synchronize()
        seconds = start.elapsed_time(end) / 1000
        if seconds >= _COPY_S / 2:
            break
        copies = min(copies * 4, max(copies + 1, int(copies * _COPY_S / max(seconds, 1e-4))))
    return {
        "bandwidth_gb_s": round(2 * size * copies / seconds / 1e9, 1),
        "bandwidth_s": round(time.monotonic() - began, 2),
    }


if __name__ == "__main__":
    main(sys.argv[1:])

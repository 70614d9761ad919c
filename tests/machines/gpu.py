"""What stands for a GPU: a program `nvidia-smi` that answers as NVIDIA's does, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass

PATH = "/usr/bin/nvidia-smi"
_PROGRAM = """\
#!/usr/bin/env python3
# Answers as nvidia-smi does, for {count} GPU(s) that are not there.
import sys

GPU = {gpu!r}
UNITS = {units!r}
COUNT = {count}
asked = [word.partition("=")[2] for word in sys.argv[1:] if word.startswith("--query-gpu=")]
form = [word.partition("=")[2] for word in sys.argv[1:] if word.startswith("--format=")]
if asked:
    names = [name.strip() for name in asked[0].split(",")]
    unknown = [name for name in names if name not in GPU and name != "index"]
    if unknown:
        sys.exit('Field "%s" is not a valid field to query.' % unknown[0])
    has_units = "nounits" not in form[0]
    if "noheader" not in form[0]:
        print(", ".join(names))
    for index in range(COUNT):
        values = dict(GPU, index=str(index))
        print(", ".join(values[name] + (UNITS.get(name, "") if has_units else "") for name in names))
elif "--list-gpus" in sys.argv or "-L" in sys.argv:
    for index in range(COUNT):
        print("GPU %d: %s (UUID: %s)" % (index, GPU["name"], GPU["uuid"]))
else:
    print("| NVIDIA-SMI {driver}    Driver Version: {driver}    CUDA Version: {cuda}     |")
"""
_UNITS = {
    "memory.total": " MiB",
    "memory.used": " MiB",
    "memory.free": " MiB",
    "utilization.gpu": " %",
    "utilization.memory": " %",
    "power.draw": " W",
}


@dataclass(frozen=True)
class Gpu:
    """A GPU as nvidia-smi describes it; memory in MiB, temperature in degrees Celsius."""

    name: str = "NVIDIA L40S"
    memory: int = 46068
    driver: str = "580.95.05"
    cuda: str = "13.0"
    capability: str = "8.9"
    count: int = 1
    use: int = 37
    temperature: int = 54

    def program(self) -> str:
        """Return the text of an `nvidia-smi` that shows it."""
        used = self.memory * self.use // 100
        shown = {
            "name": self.name,
            "gpu_name": self.name,
            "uuid": "GPU-00000000-0000-0000-0000-000000000000",
            "driver_version": self.driver,
            "compute_cap": self.capability,
            "memory.total": str(self.memory),
            "memory.used": str(used),
            "memory.free": str(self.memory - used),
            "utilization.gpu": str(self.use),
            "utilization.memory": str(self.use),
            "temperature.gpu": str(self.temperature),
            "power.draw": "141.20",
        }
        return _PROGRAM.format(gpu=shown, units=_UNITS, count=self.count, driver=self.driver, cuda=self.cuda)

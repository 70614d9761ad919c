"""Which torch an image needs for a GPU: the profiles of `templates`, by compute capability and kind of host.

Sources: upstream pins `torch<2.5`, whose wheel has kernels up to sm_90 (NVIDIA/personaplex#2); Blackwell needs CUDA
12.8 or newer, and the torch 2.4.1 wheel for aarch64 has no CUDA at all.
"""

from __future__ import annotations

from dataclasses import dataclass

from plexctl.gpus.table import Gpu

_FIRST_BF16 = 80
_FIRST_BLACKWELL = 100


@dataclass(frozen=True, slots=True)
class ImageProfile:
    """What an image for a GPU is built on. `name` is None when no image can serve it; `reason` says why."""

    name: str | None
    torch: str | None
    reason: str

    @property
    def is_blackwell(self) -> bool:
        """Whether torch's pin has to be lifted for it."""
        return self.name is not None and self.name.startswith("cu128")


def image_profile(gpu: Gpu) -> ImageProfile:
    """Return the profile for a GPU: cu121, cu128 (Blackwell), cu128-aarch64, or none."""
    if gpu.sm < _FIRST_BF16:
        return ImageProfile(None, None, f"{gpu.name} (sm_{gpu.sm}) has no bf16, which the engine computes in")
    if gpu.machine == "aarch64":
        return ImageProfile(
            "cu128-aarch64", ">=2.7", "an aarch64 host: torch 2.4.1 has no CUDA there; sphn from source"
        )
    if gpu.sm >= _FIRST_BLACKWELL:
        return ImageProfile("cu128", ">=2.7", f"Blackwell (sm_{gpu.sm}): torch below 2.7 has no kernels for it")
    return ImageProfile("cu121", ">=2.4,<2.5", f"sm_{gpu.sm}: upstream's own pin, torch 2.4")

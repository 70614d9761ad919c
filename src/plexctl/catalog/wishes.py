"""What the user asks of offers, read from flags: every mistake is named with the nearest valid value. No I/O."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from plexctl.catalog.rows import Catalog
from plexctl.errors import ConfigurationError, UsageError
from plexctl.gpus import Gpu, known, matching
from plexctl.gpus import find as find_gpu
from plexctl.nearest import nearest
from plexctl.spec import PROVIDERS

AUTO = "auto"
_SIZE = r"(\d+(?:\.\d+)?)?\s*(?:gb|gib)?"
_RANGE = re.compile(rf"{_SIZE}\s*\.\.\s*{_SIZE}", re.IGNORECASE)
_RANGE_HINT = "write a name such as L40S, or a range of memory such as 24GB.. or 24GB..48GB"


@dataclass(frozen=True, slots=True)
class Wish:
    """What an offer must be; empty fields ask nothing."""

    providers: tuple[str, ...] = PROVIDERS
    gpu_words: str | None = None
    """As the user wrote it."""
    gpus: frozenset[str] | None = None
    """Names of the GPUs that it means."""
    min_vram_gib: float | None = None
    max_price_usd_per_hour: float | None = None
    region: str | None = None
    real_time: bool = False
    """Only what keeps real time, surely or likely."""

    @property
    def asks_of_gpu(self) -> bool:
        """Whether it matters which GPU it is, or where."""
        return self.gpus is not None or self.region is not None or self.min_vram_gib is not None or self.real_time


def providers_of(text: str | None) -> tuple[str, ...]:
    """Return the providers in `modal,runpod`; all for `auto` and for nothing. Raises ConfigurationError."""
    if text is None or text.strip().lower() == AUTO:
        return PROVIDERS
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    for name in names:
        if name not in PROVIDERS:
            raise ConfigurationError(
                f"unknown provider {name!r}{nearest(name, [*PROVIDERS, AUTO])}",
                hint=f"known providers: {', '.join(PROVIDERS)}, or {AUTO}",
            )
    return names


def gpus_of(text: str | None) -> frozenset[str] | None:
    """Return the names that `L40S`, `A100`, `L4,L40S` or `24GB..` means. Raises UsageError."""
    if text is None:
        return None
    if ".." in text:
        return _in_range(text)
    names: set[str] = set()
    for word in (part.strip() for part in text.split(",")):
        found = matching(word)
        names |= {gpu.name for gpu in found or (find_gpu(word),)}
    return frozenset(names)


def positive(value: float | None, flag: str, *, may_be_zero: bool = True) -> float | None:
    """Return the number. Raises UsageError for one that no price or size can be."""
    if value is None or (math.isfinite(value) and (value > 0 or (may_be_zero and value == 0))):
        return value
    raise UsageError(f"{flag} {value:g} is no {'price' if 'price' in flag else 'size'}", hint="write 0 or more")


def check_region(wish: Wish, catalog: Catalog) -> None:
    """Raise UsageError, with the nearest known region, for one that none of the providers has."""
    if wish.region is None:
        return
    regions = sorted({region for name in wish.providers for row in catalog.rows_of(name) for region in row.regions})
    if wish.region in regions:
        return
    where = ", ".join(wish.providers) if len(wish.providers) < len(PROVIDERS) else "any provider"
    if not regions:
        own = "; modal.regions sets Modal's own" if wish.providers == ("modal",) else ""
        raise UsageError(f"no regions are known of {where}", hint=f"leave --region out{own}")
    hint = f"known regions: {', '.join(regions)}"
    raise UsageError(f"no region {wish.region!r} of {where}{nearest(wish.region, regions)}", hint=hint)


def _in_range(text: str) -> frozenset[str]:
    match = _RANGE.fullmatch(text.strip())
    if match is None or not (match[1] or match[2]):
        raise UsageError(f"--gpu {text!r} is neither a GPU nor a range of memory", hint=_RANGE_HINT)
    least, most = float(match[1] or 0), float(match[2] or math.inf)
    sizes = sorted({gpu.vram_gib for gpu in known()})
    if least > most:
        raise UsageError(f"--gpu {text!r}: {least:g} GB is more than {most:g} GB", hint="write the smaller size first")
    found = frozenset(gpu.name for gpu in known() if least <= gpu.vram_gib <= most)
    if not found:
        near = min(sizes, key=lambda size: min(abs(size - least), abs(size - most)))
        raise UsageError(f"--gpu {text!r}: no known GPU has so much memory; the nearest has {near:g} GB")
    return found


def meant_by(gpu: Gpu, wish: Wish) -> bool:
    """Tell whether a GPU is among those asked for."""
    return wish.gpus is None or gpu.name in wish.gpus

"""GPUs as data: one row per GPU in `known.json`, and how a name finds its row.

Rows are facts with a source and a date, nothing is computed here. A figure that nobody verified says so in its source.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from plexctl.errors import UsageError
from plexctl.nearest import nearest

_DATA = Path(__file__).with_name("known.json")
_NOISE = re.compile(r"\b(nvidia|geforce|generation)\b|[^a-z0-9!]+")


@dataclass(frozen=True, slots=True)
class Gpu:
    """One kind of GPU as it is sold."""

    name: str
    family: str
    """What people call it who do not care for the variant, such as A100."""
    vram_gib: float
    """Memory as sold; what CUDA can give is a few percent less (`plexctl.gpus.memory`)."""
    bandwidth_gb_s: float
    """Memory bandwidth of the datasheet, in 10^9 bytes a second."""
    architecture: str
    compute_capability: str
    """As `major.minor`."""
    machine: str
    """What its hosts are: x86_64 or aarch64."""
    source: str
    as_of: str
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Its names by provider; `cuda` is what the driver calls it, `any` what people do."""

    @property
    def sm(self) -> int:
        """The compute capability as in `sm_90`: 90."""
        return int(self.compute_capability.replace(".", ""))

    def names(self, provider: str | None = None) -> Iterator[str]:
        """Yield its name and aliases; with a provider only that provider's and those of nobody's."""
        yield self.name
        for where, names in self.aliases.items():
            if provider is None or where in (provider, "any", "cuda"):
                yield from names


@cache
def data() -> dict[str, Any]:
    """Return the content of `known.json`."""
    content: dict[str, Any] = json.loads(_DATA.read_text(encoding="utf-8"))
    return content


@cache
def known() -> tuple[Gpu, ...]:
    """Return every GPU that plexctl knows, the older ones first."""
    return tuple(_gpu(row) for row in data()["gpus"])


def _gpu(row: Mapping[str, Any]) -> Gpu:
    aliases = {provider: tuple(names) for provider, names in row["aliases"].items()}
    return Gpu(**{**row, "aliases": aliases})


def matching(name: str, provider: str | None = None) -> tuple[Gpu, ...]:
    """Return the GPUs that `name` may mean: one for an exact name or alias, all variants for a family (A100).

    A provider's own alias goes first: `A100` is the 40 GB one on Modal. Empty when nothing is called so.
    """
    wanted = _plain(name)
    if provider is not None:
        theirs = [gpu for gpu in known() if wanted in map(_plain, gpu.aliases.get(provider, ()))]
        if theirs:
            return tuple(theirs)
    exact = [gpu for gpu in known() if wanted == _plain(gpu.name)]
    family = [gpu for gpu in known() if wanted == _plain(gpu.family)]
    if exact or family:
        return tuple(exact or family)
    return tuple(gpu for gpu in known() if wanted in map(_plain, gpu.names()))


def find(name: str, provider: str | None = None) -> Gpu:
    """Return the GPU called so; of several variants the one with least memory and bandwidth.

    Raises UsageError with the nearest name.
    """
    found = matching(name, provider)
    if not found:
        words = {one for gpu in known() for one in (gpu.name, gpu.family, *gpu.aliases.get(provider or "", ()))}
        near = nearest(name.upper(), sorted(words))
        raise UsageError(f"no GPU is called {name!r}{near}", hint="plexctl gpus lists what is known")
    return min(found, key=lambda gpu: (gpu.vram_gib, gpu.bandwidth_gb_s))


def _plain(name: str) -> str:
    """Return a name without case, spaces, punctuation and the words that say nothing."""
    return _NOISE.sub("", name.lower())

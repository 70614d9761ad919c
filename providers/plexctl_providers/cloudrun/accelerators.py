"""The GPUs of Cloud Run: what each asks for beside it, where it is, and which CUDA its driver knows.

Source: docs.cloud.google.com/run/docs/configuring/services/gpu, read through mirrors in November 2026; no live API was
asked. The discovery document's "1, 2, 4 or 8 CPU" is older than the 20 of the RTX PRO 6000.
"""

from __future__ import annotations

from dataclasses import dataclass

from plexctl.model import Offer
from plexctl.spec import Spec
from plexctl_providers._common.offers import gpu_of
from plexctl_providers._common.settings import ECHO, choose_engine

ANY_REGION = "us-central1"
"""For what needs no GPU and names no region."""
WEIGHTS_GIB = 16
"""17.2 GB of `nvidia/personaplex-7b-v1`."""
_FREE_GIB = 16
"""Beside the weights in memory: the engine, its pages, the gateway (1.4 GiB were the engine's own; docs/gpus.md)."""
ROOMY_GIB = WEIGHTS_GIB + _FREE_GIB


@dataclass(frozen=True, slots=True)
class Accelerator:
    """One kind of GPU. Memory in GiB."""

    name: str
    min_cpu: int
    min_memory_gib: int
    cpu: int
    memory_gib: int
    driver: str
    """As Google states it: version (CUDA)."""
    profiles: tuple[str, ...]
    """The images that start with that driver and have kernels for the GPU."""
    regions: tuple[str, ...]
    invited: tuple[str, ...]
    """Regions that Google opens on request."""


ACCELERATORS = {
    one.name: one
    for one in (
        Accelerator(
            "nvidia-l4",
            min_cpu=4,
            min_memory_gib=16,
            cpu=8,
            memory_gib=ROOMY_GIB,
            driver="535 (CUDA 12.2)",
            profiles=("cu121",),
            regions=("asia-southeast1", "europe-west1", "europe-west4", "us-east4"),
            invited=("asia-south1", "us-central1"),
        ),
        Accelerator(
            "nvidia-rtx-pro-6000",
            min_cpu=20,
            min_memory_gib=80,
            cpu=20,
            memory_gib=80,
            driver="580 (CUDA 13.0)",
            profiles=("cu128",),
            regions=("asia-southeast1", "europe-west4", "us-central1"),
            invited=("asia-south2",),
        ),
    )
}
_LEAST = ACCELERATORS["nvidia-l4"]


def accelerator_of(offer: Offer) -> Accelerator | None:
    """Return what is known of the offer's GPU; None for none, and for one that Cloud Run does not have."""
    return ACCELERATORS.get(gpu_of(offer) or "")


def accelerator_name(spec: Spec, offer: Offer) -> str | None:
    """Return the accelerator to ask for; None for the echo engine."""
    return None if choose_engine(spec, offer) == ECHO else gpu_of(offer)


def region_of(offer: Offer) -> str:
    """Return the offer's region, else the first that has its GPU."""
    found = accelerator_of(offer)
    return offer.region or (found.regions[0] if found else ANY_REGION)


def cpu_and_memory_gib(spec: Spec, offer: Offer) -> tuple[int, int]:
    """Return CPUs and GiB of memory: the spec's own, else enough for the GPU and for weights on their way."""
    if choose_engine(spec, offer) == ECHO:
        cpu, memory_gib = 1, 1
    else:
        found = accelerator_of(offer) or _LEAST
        cpu, memory_gib = found.cpu, found.memory_gib
    return spec.cloudrun.cpu or cpu, spec.cloudrun.memory_gib or memory_gib

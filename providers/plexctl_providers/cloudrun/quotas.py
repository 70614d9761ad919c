"""What is left of a region's quotas for what all of its services may grow to.

Quotas come from the Cloud Quotas API (names from memory, no account was used); where it does not answer, those of new
projects are taken and said to be.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from plexctl.errors import PlexError
from plexctl.model import Finding, Level, Offer
from plexctl.side_by_side import ask_all
from plexctl.spec import Spec
from plexctl_providers.cloudrun.accelerators import cpu_and_memory_gib, region_of
from plexctl_providers.cloudrun.answers import Json
from plexctl_providers.cloudrun.client import Google
from plexctl_providers.cloudrun.place import NAME_LABEL, Place
from plexctl_providers.cloudrun.search import services_in

_DEADLINE_S = 30.0
_SERVICES, _QUOTAS = "services", "quotas"
_GIB = 2**30
_MEMORY, _CPU = "MemAllocPerProjectRegion", "CpuAllocPerProjectRegion"
_NEW_PROJECTS = {_MEMORY: 40 * _GIB, _CPU: 20_000}
"""Bytes, and thousandths of a CPU (googlecodelabs/feedback #1856, #2311)."""
_SIZE = re.compile(r"([0-9.]+)(m|Gi|Mi|G|M|)")
_FACTORS = {"m": 1e-3, "Gi": _GIB, "Mi": 2**20, "G": 1e9, "M": 1e6, "": 1}


def check_quota(google: Google, spec: Spec, offer: Offer) -> list[Finding]:
    """Hold the largest that all services of the region may grow to, with ours, against the region's quotas."""
    place = Place(google.project(spec.cloudrun.project), region_of(offer))
    asked: dict[str, Callable[[], Any]] = {
        _SERVICES: lambda: services_in(google, place.project, place.region),
        _QUOTAS: lambda: _quotas(google, place),
    }
    answers: Mapping[str, Any] = ask_all(asked, _DEADLINE_S)
    failed = next((one for one in answers.values() if isinstance(one, Exception)), None)
    if failed is not None:
        words = failed.message if isinstance(failed, PlexError) else f"{failed}"
        return [Finding("quota", Level.WARN, f"not checked in {place.region}: {words}")]
    others = [one for one in answers[_SERVICES] if not _is_ours(one, spec)]
    cpu, memory_gib = cpu_and_memory_gib(spec, offer)
    most = spec.cloudrun.max_instances
    used = {_MEMORY: float(memory_gib * _GIB * most), _CPU: float(cpu * 1000 * most)}
    for service in others:
        used[_MEMORY] += _largest(service, "memory")
        used[_CPU] += _largest(service, "cpu") * 1000
    return [_judged(kind, used[kind], answers[_QUOTAS].get(kind), len(others), place.region) for kind in used]


def _judged(kind: str, used: float, quota: float | None, others: int, region: str) -> Finding:
    unit, factor = ("GiB of memory", _GIB) if kind == _MEMORY else ("CPU", 1000)
    limit = _NEW_PROJECTS[kind] if quota is None else quota
    source = "that new projects have; this project's own could not be read" if quota is None else "of quota"
    words = f"{used / factor:g} of {limit / factor:g} {unit} in {region} with {others} other service(s), {source}"
    if used <= limit:
        return Finding("quota", Level.OK, words)
    fix = f"lower cloudrun.max_instances, take another --region, or ask for {kind}"
    return Finding("quota", Level.WARN if quota is None else Level.FAIL, words, fix)


def _quotas(google: Google, place: Place) -> dict[str, float]:
    """Return the quotas that Google tells, in bytes and thousandths of a CPU; none when it does not."""
    path = f"/v1/projects/{place.project}/locations/global/services/run.googleapis.com/quotaInfos"
    found: dict[str, float] = {}
    try:
        for info in google.items("cloudquotas", path, "quotaInfos"):
            for one in info.get("dimensionsInfos", ()):
                region = one.get("dimensions", {}).get("region")
                if info.get("quotaId") in _NEW_PROJECTS and (region or place.region) == place.region:
                    found[str(info["quotaId"])] = float(one["details"]["value"])
    except (PlexError, KeyError, TypeError, ValueError):
        return {}
    return found


def _largest(service: Json, what: str) -> float:
    """Return what a service's instances ask for when as many as may be are up."""
    template = service.get("template", {})
    most = int(template.get("scaling", {}).get("maxInstanceCount", 1))
    limits = [one.get("resources", {}).get("limits", {}).get(what, "0") for one in template.get("containers", ())]
    return most * sum(_amount(str(limit)) for limit in limits)


def _amount(text: str) -> float:
    found = _SIZE.fullmatch(text)
    return float(found[1]) * _FACTORS[found[2]] if found else 0.0


def _is_ours(service: Json, spec: Spec) -> bool:
    return bool(service.get("labels", {}).get(NAME_LABEL) == spec.name)

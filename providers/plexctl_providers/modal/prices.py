"""Offers from this workspace's live prices. Pure.

Unverified without an account: the names of the rates, and whether they are for a second or an hour. Names are taken
apart; a rate that would be absurd for an hour is one for a second. What is not found has no price, and the catalog's is
taken.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal

from plexctl.gpus import Gpu, known, matching
from plexctl.model import Need, Offer
from plexctl_providers._common.settings import ECHO, PERSONAPLEX
from plexctl_providers.modal.launch import cpu_cores, memory_mib

_PROVIDER = "modal"
_HOUR_S = 3600
_UNITS = {"gpu", "nvidia", "per", "hour", "hours", "hourly", "second", "seconds", "sec", "rate", "price", "cost", "usd"}
_PARTS = re.compile(r"[^a-z0-9]+")
_CPU = ("cpu", "cpucore", "cpucores", "core", "cores", "physicalcore")
_MEMORY = ("memory", "memorygib", "memorygb", "mem", "memgib", "ram", "ramgib", "gib")
_LEAST_GPU = Decimal("0.05")
"""USD an hour: no GPU is rented for less, and none costs as much a second."""
_LEAST_CPU = Decimal("0.001")


def offers(need: Need, rates: Mapping[str, Decimal], now: float) -> list[Offer]:
    """Return one offer for each GPU of Modal's that meets the need, and one without a GPU when none is asked for.

    `now` is in epoch seconds. Regions are Modal's own choice, so that none is refused here.
    """
    plain = {_plain(name): price for name, price in rates.items()}
    as_of = datetime.fromtimestamp(now, UTC).date().isoformat()
    cpu, memory = (_hourly(_first(plain, names), _LEAST_CPU) for names in (_CPU, _MEMORY))
    rows: list[tuple[str | None, Decimal | None]] = []
    if need.gpu is None and need.min_vram_gib is None:
        rows.append((None, Decimal(0)))
    wanted = [gpu for gpu in known() if _names(gpu) and _meets(gpu, need)]
    rows += [(gpu.name, _hourly(_first(plain, _names(gpu)), _LEAST_GPU)) for gpu in wanted]
    found = [_offer(gpu, price, (cpu, memory), as_of) for gpu, price in rows]
    most = need.max_price_usd_per_hour
    return [one for one in found if most is None or (one.price_usd_per_hour or 0) <= most]


def _meets(gpu: Gpu, need: Need) -> bool:
    is_called_so = need.gpu is None or gpu in matching(need.gpu, _PROVIDER)
    return is_called_so and gpu.vram_gib >= (need.min_vram_gib or 0)


def _offer(gpu: str | None, price: Decimal | None, beside: tuple[Decimal | None, Decimal | None], as_of: str) -> Offer:
    engine = PERSONAPLEX if gpu else ECHO
    cores, gib = Decimal(str(cpu_cores(engine))), Decimal(memory_mib(engine)) / 1024
    cpu, memory = beside
    if price is None or cpu is None or memory is None:
        source = "modal.Workspace.billing.rates, which names no such price"
        return Offer(_PROVIDER, gpu, 1 if gpu else 0, None, None, source, None)
    parts = [f"GPU {price:.4f}"] if gpu else []
    parts += [f"{cores.normalize():f} CPU {cores * cpu:.4f}", f"{gib.normalize():f} GiB {gib * memory:.4f}"]
    source = f"this workspace's rates: {' + '.join(parts)} USD/h while a container is up"
    whole = price + cores * cpu + gib * memory
    return Offer(_PROVIDER, gpu, 1 if gpu else 0, None, round(float(whole), 4), source, as_of)


def _names(gpu: Gpu) -> tuple[str, ...]:
    return tuple(_plain(name) for name in gpu.aliases.get(_PROVIDER, ()))


def _first(plain: Mapping[str, Decimal], names: tuple[str, ...]) -> Decimal | None:
    return next((plain[name] for name in names if name in plain), None)


def _hourly(price: Decimal | None, least: Decimal) -> Decimal | None:
    """Return a price an hour; one below the least is for a second."""
    return price * _HOUR_S if price is not None and price < least else price


def _plain(name: str) -> str:
    return "".join(word for word in _PARTS.split(name.lower()) if word and word not in _UNITS)

"""What Vast tells of offers and instances, read into plexctl's words. No I/O; no secret gets past here.

Sources: vast-ai/vast-cli at 5567983 (`misc.py`: the ports map), skypilot#10518, and the examples in vast-ai/docs at
c624622. An instance is told with the environment that it was made with, tokens included: of that only plexctl's own
settings are kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from math import isfinite
from typing import Any

from plexctl.images import PORT
from plexctl.model import CREATED_AT, LABEL_PREFIX, Endpoint, Offer, Ref, Resource
from plexctl_providers._common.ages import expiry_in, moment_of
from plexctl_providers._common.placeholders import TOKEN
from plexctl_providers.vast.errors import NoAnswer, number_in
from plexctl_providers.vast.requests import INSTANCE

_LABEL = re.compile(rf"{LABEL_PREFIX}([a-z][a-z0-9-]*)-([a-z0-9]+)")
_OURS = "PLEXCTL_"
_HOST_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z.-]*")
_LAST_PORT = 65_535


@dataclass(frozen=True, slots=True)
class Instance:
    """One instance as Vast tells of it, without what nobody may see."""

    id: int
    label: str
    actual: str | None
    """None until its host has said anything."""
    is_meant_to_run: bool
    message: str
    """The host's own words, such as why Docker cannot start it."""
    address: str | None
    port: int | None
    """The host's port that leads to the gateway's."""
    host: str | None
    """The machine's id."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """plexctl's own variables of its environment, without the access token."""
    created_at: object = None
    """Vast's `start_date`: seconds since the epoch, the begin of the contract (from memory, unverified)."""

    @property
    def resource(self) -> Resource:
        """It in the journal's words."""
        return Resource(INSTANCE, self.label, str(self.id), {"host": self.host} if self.host else {})


def read_instances(told: object) -> list[Instance]:
    """Read a page of `GET /api/v1/instances/`. Raises NoAnswer for anything but a list of instances.

    What cannot be read is not nothing: a list that was taken for an empty one has rented twice, and left to bill.
    """
    if not isinstance(told, list):
        raise NoAnswer("what it calls its instances is no list")
    return [read_instance(row) for row in told]


def read_one(told: object, number: int) -> Instance | None:
    """Read the one of `GET /api/v0/instances/<id>/`; None for one that is gone, which is null or empty.

    Raises NoAnswer for what is neither.
    """
    if told is None or told in ([], {}):
        return None
    found = read_instance(told[0] if isinstance(told, list) else told)
    if found.id != number:
        raise NoAnswer(f"it tells of instance {found.id} when asked about {number}")
    return found


def read_instance(row: object) -> Instance:
    """Read one instance. Raises NoAnswer for a row that is no object, or has no id."""
    number = number_in(row.get("id")) if isinstance(row, Mapping) else None
    if number is None or not isinstance(row, Mapping):
        raise NoAnswer("an instance of its list has no id")
    orders = {_text(row.get(name)) for name in ("cur_state", "next_state")} - {None}
    return Instance(
        id=number,
        label=str(row.get("label") or ""),
        actual=_text(row.get("actual_status")) or None,
        is_meant_to_run=row.get("intended_status") != "stopped" and orders != {"stopped"},
        message=" ".join(str(row.get("status_msg") or "").split()),
        address=_address(row.get("public_ipaddr")),
        port=_host_port(row.get("ports")),
        host=_text(row.get("machine_id")),
        settings=_settings(row.get("extra_env")),
        created_at=row.get("start_date"),
    )


def read_ref(instance: Instance) -> Ref | None:
    """Return the deployment that an instance is, by its label; None for what is not plexctl's."""
    found = _LABEL.fullmatch(instance.label)
    if not found:
        return None
    ages = moment_of(CREATED_AT, instance.created_at) | expiry_in(instance.settings)
    one = instance.resource
    return Ref("vast", found[1], found[2], (replace(one, detail={**one.detail, **ages}),))


def endpoint_at(instance: Instance, tls: str) -> Endpoint | None:
    """Return where callers go, once the port is mapped."""
    if instance.address is None or instance.port is None:
        return None
    host = f"[{instance.address}]" if ":" in instance.address else instance.address
    secure = "" if tls == "none" else "s"
    base = f"{host}:{instance.port}"
    return Endpoint(f"http{secure}://{base}", f"ws{secure}://{base}/api/chat", tls)


def read_asks(told: object) -> list[dict[str, Any]]:
    """Return the asks that a search tells; the published example is one object instead of a list of them.

    What has no id cannot be rented, and is left out. Raises NoAnswer for what is neither.
    """
    found = [told] if isinstance(told, dict) else told
    if not isinstance(found, list):
        raise NoAnswer("what it calls its offers is no list")
    return [row for row in found if isinstance(row, dict) and number_in(row.get("id")) is not None]


def read_offer(row: Mapping[str, Any], as_of: str) -> Offer | None:
    """Read one ask of a search; None for a row without a price, or with one that is none."""
    price, least, count = (_amount(row.get(name)) for name in ("dph_total", "min_bid", "num_gpus"))
    if price is None:
        return None
    facts = {"ask_id": row["id"], "host": row.get("machine_id"), "bid": least}
    return Offer(
        provider="vast",
        gpu=_text(row.get("gpu_name")),
        count=int(count or 1),
        region=_country(row.get("geolocation")),
        price_usd_per_hour=round(price, 6),
        source="Vast's own search",
        as_of=as_of,
        detail={name: str(value) for name, value in facts.items() if value is not None},
    )


def _amount(value: object) -> float | None:
    """Return a number that can be a price or a count."""
    is_one = isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value) and value >= 0
    return float(value) if is_one and isinstance(value, int | float) else None


def _address(told: object) -> str | None:
    """Return the host's address; Vast ends it with a line's end."""
    raw = str(told or "").strip()
    try:
        return str(ip_address(raw))
    except ValueError:
        return raw if _HOST_NAME.fullmatch(raw) else None


def _host_port(ports: object) -> int | None:
    """Return the host's port; None while nothing is mapped, or for a list of ports as the description has it."""
    mapped = ports.get(f"{PORT}/tcp") if isinstance(ports, Mapping) else None
    first = mapped[0] if isinstance(mapped, list) and mapped else None
    port = number_in(first.get("HostPort")) if isinstance(first, Mapping) else None
    return port if port is not None and 0 < port <= _LAST_PORT else None


def _settings(extra_env: object) -> dict[str, str]:
    """Keep plexctl's own settings; the environment comes as pairs, or as an object."""
    pairs: list[Any] = list(extra_env.items()) if isinstance(extra_env, Mapping) else []
    if isinstance(extra_env, list):
        pairs = [one for one in extra_env if isinstance(one, list | tuple) and len(one) == 2]  # noqa: PLR2004 - a pair
    return {str(name): str(value) for name, value in pairs if str(name).startswith(_OURS) and name != TOKEN}


def _country(geolocation: object) -> str | None:
    """Return the two letters at the end of `California, US`."""
    last = str(geolocation or "").rpartition(",")[2].strip()
    return last if re.fullmatch(r"[A-Z]{2}", last) else None


def _text(value: object) -> str | None:
    return None if value is None else str(value)

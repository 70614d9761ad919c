"""What Vast tells of offers and instances, read into plexctl's words. No I/O; no secret gets past here.

Sources: vast-ai/vast-cli at 5567983 (`misc.py`: the ports map), skypilot#10518, and the examples in vast-ai/docs at
c624622. An instance is told with the environment that it was made with, tokens included: of that only plexctl's own
settings are kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from plexctl.images import PORT
from plexctl.model import LABEL_PREFIX, Endpoint, Offer, Ref, Resource
from plexctl_providers._common.placeholders import TOKEN
from plexctl_providers.vast.requests import INSTANCE

_LABEL = re.compile(rf"{LABEL_PREFIX}([a-z][a-z0-9-]*)-([a-z0-9]+)")
_OURS = "PLEXCTL_"
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


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

    @property
    def resource(self) -> Resource:
        """It in the journal's words."""
        return Resource(INSTANCE, self.label, str(self.id), {"host": self.host} if self.host else {})


def read_instance(row: Mapping[str, Any]) -> Instance:
    """Read one row of `GET /api/v1/instances/`, or the one of `GET /api/v0/instances/<id>/`."""
    orders = {row.get("cur_state"), row.get("next_state")} - {None}
    return Instance(
        id=int(row["id"]),
        label=str(row.get("label") or ""),
        actual=_text(row.get("actual_status")) or None,
        is_meant_to_run=row.get("intended_status") != "stopped" and orders != {"stopped"},
        message=" ".join(str(row.get("status_msg") or "").split()),
        address=str(row.get("public_ipaddr") or "").strip() or None,
        port=_host_port(row.get("ports")),
        host=_text(row.get("machine_id")),
        settings=_settings(row.get("extra_env")),
    )


def read_ref(instance: Instance) -> Ref | None:
    """Return the deployment that an instance is, by its label; None for what is not plexctl's."""
    found = _LABEL.fullmatch(instance.label)
    return Ref("vast", found[1], found[2], (instance.resource,)) if found else None


def endpoint_at(instance: Instance, tls: str) -> Endpoint | None:
    """Return where callers go, once the port is mapped."""
    if instance.address is None or instance.port is None:
        return None
    host = f"[{instance.address}]" if ":" in instance.address else instance.address
    secure = "" if tls == "none" else "s"
    base = f"{host}:{instance.port}"
    return Endpoint(f"http{secure}://{base}", f"ws{secure}://{base}/api/chat", tls)


def is_loopback(instance: Instance) -> bool:
    """Tell whether it is on this machine, where nobody else listens in."""
    return instance.address in _LOOPBACK


def read_offer(row: Mapping[str, Any], as_of: str) -> Offer | None:
    """Read one ask of a search; None for a row without a price."""
    price = row.get("dph_total")
    if not isinstance(price, int | float):
        return None
    facts = {"ask_id": row["id"], "host": row.get("machine_id"), "bid": row.get("min_bid")}
    return Offer(
        provider="vast",
        gpu=_text(row.get("gpu_name")),
        count=int(row.get("num_gpus") or 1),
        region=_country(row.get("geolocation")),
        price_usd_per_hour=round(float(price), 6),
        source="Vast's own search",
        as_of=as_of,
        detail={name: str(value) for name, value in facts.items() if value is not None},
    )


def _host_port(ports: object) -> int | None:
    """Return the host's port; None while nothing is mapped, or for a list of ports as the description has it."""
    mapped = ports.get(f"{PORT}/tcp") if isinstance(ports, Mapping) else None
    first = mapped[0] if isinstance(mapped, Sequence) and mapped else None
    raw = str(first.get("HostPort") or "") if isinstance(first, Mapping) else ""
    return int(raw) if raw.isascii() and raw.isdigit() else None


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

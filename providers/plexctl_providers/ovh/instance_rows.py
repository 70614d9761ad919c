"""An instance as OVHcloud tells it, its flavours and images, and what that means for a deployment. Pure.

Sources: parts of OVHcloud's description of its Public Cloud API v1, as ovhcloud-cli and terraform-provider-ovh have
them; the states are OpenStack's. That a shelved instance frees its GPU, and what it then bills, nobody verified.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from plexctl.model import LABEL_PREFIX, Ref, Resource, Status
from plexctl.states import State
from plexctl_providers._common.host_files import INSTANCE
from plexctl_providers.ovh.names import PLACE_PROJECT, PLACE_REGION

STATE_MAP: dict[str, tuple[State, str]] = {
    "BUILD": (State.CREATING, "OVHcloud builds the instance"),
    "BUILDING": (State.CREATING, "OVHcloud builds the instance"),
    "UNSHELVING": (State.CREATING, "it is brought back from the shelf"),
    "REBUILD": (State.CREATING, "it is rebuilt"),
    "REBOOT": (State.CREATING, "it boots again"),
    "HARD_REBOOT": (State.CREATING, "it boots again"),
    "UNRESCUING": (State.CREATING, "it leaves rescue mode"),
    "ACTIVE": (State.LOADING, "the instance is up"),
    "PASSWORD": (State.LOADING, "the instance is up"),
    "SNAPSHOTTING": (State.LOADING, "the instance is up; a snapshot is made"),
    "MIGRATING": (State.LOADING, "the instance moves to another host of OVHcloud's"),
    "RESIZE": (State.LOADING, "the instance changes its size"),
    "RESIZED": (State.LOADING, "the instance has changed its size"),
    "VERIFY_RESIZE": (State.LOADING, "the instance has changed its size"),
    "REVERT_RESIZE": (State.LOADING, "the instance changes its size back"),
    "SHELVING": (State.DRAINING, "it is being shelved"),
    "DELETING": (State.DRAINING, "it is being deleted"),
    "SHELVED": (State.STOPPED, "shelved, which frees the GPU (unverified)"),
    "SHELVED_OFFLOADED": (State.STOPPED, "shelved, which frees the GPU (unverified)"),
    "SHUTOFF": (State.STOPPED, "switched off, and billed in full: `plexctl stop` shelves it"),
    "STOPPED": (State.STOPPED, "switched off, and billed in full: `plexctl stop` shelves it"),
    "PAUSED": (State.STOPPED, "paused, and billed in full: `plexctl stop` shelves it"),
    "SUSPENDED": (State.STOPPED, "suspended, and billed in full: `plexctl stop` shelves it"),
    "RESCUE": (State.FAILED, "it is in rescue mode, and bills"),
    "RESCUED": (State.FAILED, "it is in rescue mode, and bills"),
    "RESCUING": (State.FAILED, "it enters rescue mode, and bills"),
    "ERROR": (State.FAILED, "OVHcloud says ERROR: it does not run, and may bill"),
    "UNKNOWN": (State.FAILED, "OVHcloud says UNKNOWN: its host is not heard of"),
    "DELETED": (State.MISSING, "it was deleted"),
    "SOFT_DELETED": (State.MISSING, "it was deleted"),
}
"""What OVHcloud calls it, as a state and words; anything else is UNKNOWN."""
GONE = ("DELETED", "SOFT_DELETED")
LEAVING = ("DELETING", *GONE)
SHELVED = ("SHELVED", "SHELVED_OFFLOADED")
OFF = ("SHUTOFF", "STOPPED")
BROKEN = ("ERROR", "UNKNOWN")
"""Neither can be started again: terraform-provider-ovh takes both for failures."""
USER = "user"
"""What an instance's detail calls whom one logs in as."""
_LABEL = re.compile(rf"{LABEL_PREFIX}([a-z][a-z0-9-]*)-([a-z0-9]+)")
_IPV4 = 4
_LEAST_RAM_MB = 2000


@dataclass(frozen=True, slots=True)
class Instance:
    """What is kept of OVHcloud's answer."""

    id: str
    name: str
    project: str
    region: str
    state: str
    image: str
    """The image's id."""
    addresses: tuple[str, ...]
    """Public ones, IPv4 first."""

    @property
    def resource(self) -> Resource:
        """It in the journal's words."""
        return Resource(INSTANCE, self.name, self.id, self.place)

    @property
    def place(self) -> dict[str, str]:
        """Where it is, as a resource's detail."""
        return {PLACE_PROJECT: self.project, PLACE_REGION: self.region}


@dataclass(frozen=True, slots=True)
class Flavour:
    """A size of instances in one region."""

    id: str
    name: str
    region: str
    in_stock: bool
    quota: int | None
    """How many the project may still start; None where OVHcloud does not tell."""
    ram_mb: int
    vcpus: int

    @property
    def can_be_had(self) -> bool:
        """Whether one could be started now."""
        return self.in_stock and self.quota != 0


def instance_of(row: Mapping[str, Any], project: str, region: str) -> Instance:
    """Return an instance of an answer. Raises LookupError, TypeError or AttributeError for what is none."""
    image = row.get("image")
    image_id = row.get("imageId") or (image.get("id") if isinstance(image, Mapping) else "")
    return Instance(
        id=str(row["id"]),
        name=str(row.get("name") or ""),
        project=project,
        region=str(row.get("region") or region),
        state=str(row.get("status") or "").upper(),
        image=str(image_id or ""),
        addresses=_public(row.get("addresses") or row.get("ipAddresses") or ()),
    )


def read_ref(instance: Instance) -> Ref | None:
    """Return the deployment that an instance's name tells; None for one that is not plexctl's."""
    found = _LABEL.fullmatch(instance.name)
    return Ref("ovh", found[1], found[2], (instance.resource,)) if found else None


def status_of(instance: Instance) -> Status:
    """Return what OVHcloud's word alone means; what is on the instance only the instance tells."""
    state, words = STATE_MAP.get(instance.state, (State.UNKNOWN, f"OVHcloud calls it {instance.state or 'nothing'}"))
    return Status(state, None, words if state is State.MISSING else f"{words} ({instance.region})")


def flavour_of(row: Mapping[str, Any]) -> Flavour | None:
    """Return a flavour of an answer; None for one of Windows. Raises LookupError or TypeError for what is none."""
    if row.get("osType") not in (None, "linux"):
        return None
    quota = row.get("quota")
    return Flavour(
        id=str(row["id"]),
        name=str(row["name"]),
        region=str(row.get("region") or ""),
        in_stock=row.get("available") is True,
        quota=int(quota) if isinstance(quota, int) else None,
        ram_mb=int(row.get("ram") or 0),
        vcpus=int(row.get("vcpus") or 0),
    )


def smallest(flavours: Iterable[Flavour], region: str) -> Flavour | None:
    """Return the least flavour of a region that the echo engine runs on, as its price will be the least too."""
    fitting = [one for one in flavours if one.region == region and one.can_be_had and one.ram_mb >= _LEAST_RAM_MB]
    return min(fitting, key=lambda one: (one.ram_mb, one.vcpus, one.name), default=None)


def resource_in(operation: Mapping[str, Any]) -> str | None:
    """Return what an operation made: its own, or that of one that it is made of."""
    own = operation.get("resourceId")
    if own:
        return str(own)
    parts = operation.get("subOperations")
    found = (resource_in(one) for one in parts if isinstance(one, Mapping)) if isinstance(parts, list) else ()
    return next((one for one in found if one), None)


def _public(rows: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    found = [(one.get("version", _IPV4), str(one["ip"])) for one in rows if one.get("type", "public") == "public"]
    return tuple(address for _, address in sorted(found, key=lambda one: one[0]) if _is_address(address))


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True

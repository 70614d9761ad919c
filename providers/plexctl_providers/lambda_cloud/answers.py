"""What is kept of Lambda's answers. Pure.

Source: the schemas of these names in Lambda's OpenAPI description 1.10.0. Each function raises LookupError, TypeError,
ValueError or AttributeError for what is none. The token of an instance's notebook is not kept.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from plexctl.model import LABEL_PREFIX, MANAGED_BY

_NAME = re.compile(rf"{LABEL_PREFIX}([a-z](?:[a-z0-9-]*[a-z0-9])?)-([a-z0-9]+)")
_KEY_FIELDS = 2


@dataclass(frozen=True, slots=True)
class Instance:
    """One instance. `address` is None while it boots."""

    id: str
    name: str
    status: str
    address: str | None
    region: str
    kind: str
    """Its instance type."""
    ssh_keys: tuple[str, ...]
    """Their names."""
    file_systems: tuple[str, ...]
    """Their names."""
    tags: Mapping[str, str]
    refuses_end: str | None
    """Why it cannot be terminated now; None when it can."""

    @property
    def identity(self) -> tuple[str, str] | None:
        """Name and id of its deployment, by its tags or its name; None for one that is not plexctl's."""
        name, identity = self.tags.get("plexctl-name"), self.tags.get("plexctl-id")
        if self.tags.get(MANAGED_BY[0]) == MANAGED_BY[1] and name and identity:
            return name, identity
        return identity_in(self.name)


@dataclass(frozen=True, slots=True)
class SshKey:
    """A key in the account; the comment of a key that plexctl made is its deployment's label."""

    id: str
    name: str
    public_key: str

    @property
    def material(self) -> str:
        """Its type and base64: what makes two keys the same."""
        return material_of(self.public_key)

    @property
    def comment(self) -> str:
        """What follows them."""
        return " ".join(self.public_key.split()[_KEY_FIELDS:])


@dataclass(frozen=True, slots=True)
class Ruleset:
    """A firewall ruleset of one region."""

    id: str
    name: str
    region: str
    rules: tuple[Mapping[str, Any], ...]
    instances: tuple[str, ...]
    created_at: object = None
    """As Lambda tells it, ISO 8601."""


@dataclass(frozen=True, slots=True)
class FileSystem:
    """A file system of one region."""

    id: str
    name: str
    region: str
    is_in_use: bool
    bytes_used: int | None


@dataclass(frozen=True, slots=True)
class Image:
    """A machine image in one region. `machine` is as in Python's platform: x86_64 or aarch64."""

    family: str
    region: str
    machine: str


@dataclass(frozen=True, slots=True)
class InstanceType:
    """What can be launched, and where at this moment."""

    name: str
    gpus: int
    cents_per_hour: float
    regions: tuple[str, ...]


def identity_in(label: str) -> tuple[str, str] | None:
    """Return name and id of the deployment that a label names; None for anything else."""
    found = _NAME.fullmatch(label)
    return (found[1], found[2]) if found else None


def material_of(public_key: str) -> str:
    """Return type and base64 of a public key."""
    return " ".join(public_key.split()[:_KEY_FIELDS])


def instance_of(row: Any) -> Instance:
    """Return an instance."""
    terminate = (row.get("actions") or {}).get("terminate") or {}
    refused = terminate.get("available") is False
    why = str(terminate.get("reason_description") or terminate.get("reason_code") or "no reason is given")
    return Instance(
        id=_text(row["id"]),
        name=_text(row.get("name") or ""),
        status=_text(row["status"]).lower(),
        address=_address(row.get("ip")),
        region=_text(row["region"]["name"]),
        kind=_text(row["instance_type"]["name"]),
        ssh_keys=tuple(_text(name) for name in row["ssh_key_names"]),
        file_systems=tuple(_text(name) for name in row["file_system_names"]),
        tags={_text(tag["key"]): _text(tag["value"]) for tag in row.get("tags") or ()},
        refuses_end=why if refused else None,
    )


def ssh_key_of(row: Any) -> SshKey:
    """Return a key of the account."""
    return SshKey(_text(row["id"]), _text(row["name"]), _text(row["public_key"]))


def ruleset_of(row: Any) -> Ruleset:
    """Return a ruleset."""
    rules = tuple(dict(rule) for rule in row["rules"])
    used = tuple(_text(one) for one in row["instance_ids"])
    region = _text(row["region"]["name"])
    return Ruleset(_text(row["id"]), _text(row["name"]), region, rules, used, row.get("created"))


def file_system_of(row: Any) -> FileSystem:
    """Return a file system."""
    used = row.get("bytes_used")
    if not isinstance(row["is_in_use"], bool) or not isinstance(used, int | None):
        raise TypeError("no file system")
    return FileSystem(_text(row["id"]), _text(row["name"]), _text(row["region"]["name"]), row["is_in_use"], used)


def image_of(row: Any) -> Image:
    """Return an image."""
    machine = {"arm64": "aarch64"}.get(row["architecture"], _text(row["architecture"]))
    return Image(_text(row["family"]), _text(row["region"]["name"]), machine)


def types_of(data: Any) -> list[InstanceType]:
    """Return every instance type."""
    return [_type(item) for item in data.values()]


def rows_of(data: Any) -> Sequence[Any]:
    """Return the rows of a list."""
    if not isinstance(data, list):
        raise TypeError("no list")
    return data


def launched_in(data: Any) -> str:
    """Return the id of the one instance that was launched."""
    (launched,) = rows_of(data["instance_ids"])
    return _text(launched)


def _type(item: Any) -> InstanceType:
    kind = item["instance_type"]
    gpus, cents = kind["specs"]["gpus"], kind["price_cents_per_hour"]
    if isinstance(gpus, bool) or isinstance(cents, bool) or not isinstance(gpus, int):
        raise TypeError("no count")
    regions = tuple(_text(region["name"]) for region in item["regions_with_capacity_available"])
    return InstanceType(_text(kind["name"]), gpus, float(cents), regions)


def _address(value: Any) -> str | None:
    return str(ipaddress.ip_address(value)) if value else None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value

"""Lambda's prices and stock: one GET /instance-types (lambda-openapi-1.10.0.json), with the user's key."""

from __future__ import annotations

from urllib.parse import urlsplit

import msgspec

from plexctl.catalog.readers import Asked, get_json, refuse_cleartext
from plexctl.catalog.rows import Row
from plexctl.errors import CredentialsError, ProviderError
from plexctl.secret import Secret

BASE = "https://cloud.lambda.ai"
PATH = "/api/v1"
"""Put after a base that has no path, as Lambda's own description and other clients take it."""
BASE_VARIABLE = "LAMBDA_CLOUD_BASE_URL"
KEY_VARIABLE = "LAMBDA_API_KEY"


class _Specs(msgspec.Struct, frozen=True):
    gpus: int


class _Type(msgspec.Struct, frozen=True):
    name: str
    price_cents_per_hour: float
    specs: _Specs


class _Region(msgspec.Struct, frozen=True):
    name: str


class _Item(msgspec.Struct, frozen=True):
    instance_type: _Type
    regions_with_capacity_available: tuple[_Region, ...]


class _Answer(msgspec.Struct, frozen=True):
    data: dict[str, _Item]


_ANSWER = msgspec.json.Decoder(_Answer)


def read(asked: Asked) -> list[Row]:
    """Return one row for each type with a GPU that plexctl has a name for."""
    key = asked.environ.get(KEY_VARIABLE)
    if not key:
        raise CredentialsError(f"{KEY_VARIABLE} is not set", hint=f"export {KEY_VARIABLE}")
    base = asked.environ.get(BASE_VARIABLE) or BASE
    refuse_cleartext(base, BASE_VARIABLE)
    root = base.rstrip("/") + ("" if urlsplit(base).path.strip("/") else PATH)
    body = get_json(f"{root}/instance-types", "Lambda's API", asked, Secret(key))
    try:
        items = _ANSWER.decode(body).data
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ProviderError("Lambda's API answered what its description does not know") from None
    rows = [_row(item, asked) for item in items.values()]
    return [row for row in rows if row is not None]


def _row(item: _Item, asked: Asked) -> Row | None:
    from plexctl.gpus import gpu_of_type

    kind = item.instance_type
    gpu = gpu_of_type(kind.name)
    if gpu is None or not kind.specs.gpus:
        return None
    regions = tuple(region.name for region in item.regions_with_capacity_available)
    return Row(
        provider="lambda",
        gpu=gpu.name,
        count=kind.specs.gpus,
        regions=regions,
        price=kind.price_cents_per_hour / 100,
        stock="available" if regions else "none",
        source=f"Lambda GET /instance-types {kind.name}",
        as_of=asked.today.isoformat(),
        is_verified=True,
    )

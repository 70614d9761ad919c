"""What the echo engine costs where it runs without a GPU, for an hour: samples, as all prices."""

from __future__ import annotations

from plexctl.catalog.rows import Catalog, Row

_AS_OF = "2026-11-20"
_NOTE = "one CPU and 1 GiB, while a container is up"
WITHOUT_GPU: dict[str, Row] = {
    row.provider: row
    for row in (
        Row(
            provider="modal",
            gpu=None,
            count=0,
            price=0.0552,
            source="modal.com/pricing from memory: 0.0000131 USD per core and 0.00000222 per GiB a second; unverified",
            as_of=_AS_OF,
            note=_NOTE,
        ),
        Row(
            provider="cloudrun",
            gpu=None,
            count=0,
            price=0.072,
            source="cloud.google.com/run/pricing from memory: 0.000018 USD per CPU and 0.000002 per GiB a second; "
            "unverified",
            as_of=_AS_OF,
            note=_NOTE,
        ),
        Row(
            provider="ovh",
            gpu=None,
            count=0,
            price=None,
            source="no price of OVHcloud's flavours without a GPU was collected; unverified",
            as_of=_AS_OF,
            note="the cheapest flavour, as long as the instance exists",
        ),
    )
}
"""By provider; those that are not here run the echo engine on a GPU."""


def row_without_gpu(provider: str, catalog: Catalog) -> Row:
    """Return what a provider asks for no GPU, in the regions that are known of it; the price may be unknown."""
    from msgspec.structs import replace

    regions = dict.fromkeys(region for row in catalog.rows_of(provider) for region in row.regions)
    unknown = Row(provider=provider, gpu=None, count=0, price=None, source="no price was collected", as_of=_AS_OF)
    return replace(WITHOUT_GPU.get(provider, unknown), regions=tuple(regions))

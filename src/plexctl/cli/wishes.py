"""Flags that say which offers are asked for, shared by `gpus`, `plan`, `render` and `deploy`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from plexctl.catalog.wishes import Wish

Provider = Annotated[
    str | None, typer.Option("--provider", "-p", metavar="NAME[,NAME]|auto", help="Where; all when left out.")
]
GpuFlag = Annotated[
    str | None, typer.Option("--gpu", metavar="NAME|RANGE", help="Such as L40S, A100, or 24GB..48GB of memory.")
]
MaxPrice = Annotated[float | None, typer.Option("--max-price", metavar="USD", help="Highest price per hour.")]
Region = Annotated[str | None, typer.Option("--region", help="Only there.")]

Force = Annotated[bool, typer.Option("--force", help="Take what was found unfit.")]


def wish_of(providers: tuple[str, ...], gpu: str | None, region: str | None, max_price: float | None) -> Wish:
    """Return what the flags ask of an offer. Raises UsageError for what no offer can be."""
    from plexctl.catalog.wishes import Wish, gpus_of, positive

    return Wish(
        providers=providers,
        gpu_words=gpu,
        gpus=gpus_of(gpu),
        max_price_usd_per_hour=positive(max_price, "--max-price"),
        region=region,
    )


def usd(price: float | None) -> str:
    """Return a price for a table; `?` for one that nobody knows."""
    return "?" if price is None else f"{price:.2f}"


def age(days: int | None, *, stale: bool) -> str:
    """Return an age for a table, marked when the price is stale."""
    words = "no date" if days is None else f"{days} d"
    return f"{words} stale" if stale else words

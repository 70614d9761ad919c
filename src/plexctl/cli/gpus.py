"""`plexctl gpus`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from plexctl.cli.options import Json
from plexctl.cli.sessions import open_session
from plexctl.cli.wishes import GpuFlag, MaxPrice, Provider, Region, age, usd
from plexctl.output import Output

if TYPE_CHECKING:
    from datetime import date

    from plexctl.catalog import Catalog
    from plexctl.catalog.judging import Judged

_HEADER = ("GPU", "PROVIDER", "REGION", "USD/HOUR", "USD/CONVERSATION-HOUR", "MEMORY", "REAL TIME", "STOCK", "AGE")


def gpus(  # noqa: PLR0913 - a command's signature is its flags
    provider: Provider = None,
    gpu: GpuFlag = None,
    min_vram: Annotated[float | None, typer.Option("--min-vram", metavar="GB", help="Least memory of one GPU.")] = None,
    max_price: MaxPrice = None,
    region: Region = None,
    real_time: Annotated[  # noqa: FBT002
        bool, typer.Option("--real-time", help="Only what keeps real time, surely or likely.")
    ] = False,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """List what GPUs cost and whether they keep real time."""
    from plexctl.catalog.wishes import Wish, gpus_of, positive, providers_of
    from plexctl.flows.planning import offers

    output = Output(as_json)
    wish = Wish(
        providers=providers_of(provider),
        gpu_words=gpu,
        gpus=gpus_of(gpu),
        min_vram_gib=positive(min_vram, "--min-vram"),
        max_price_usd_per_hour=positive(max_price, "--max-price"),
        region=region,
        real_time=real_time,
    )
    catalog, found, day = offers(open_session(output), wish)
    _show(output, catalog, found, day)
    failures = {name: {"message": failed.message, "at": failed.at} for name, failed in catalog.failures.items()}
    rates = {name: {"usd": one.usd, "source": one.source, "as_of": one.as_of} for name, one in catalog.rates.items()}
    data = {"offers": [one.to_dict(day) for one in found], "as_of": catalog.as_of, "rates": rates, "failures": failures}
    output.document("gpus", data)


def _show(output: Output, catalog: Catalog, found: list[Judged], day: date) -> None:
    output.table(_HEADER, [_row(catalog, one, day) for one in found])
    if not found:
        output.line("no offer is so; `plexctl gpus` lists them all")
    if any(one.is_converted for one in found):
        rates = (f"1 {name} = {rate.usd:g} USD of {rate.as_of}" for name, rate in catalog.rates.items())
        output.line(f"* converted to sort: {'; '.join(rates)}")
    for name in dict.fromkeys(one.row.provider for one in found if one.row.provider in catalog.failures):
        failed = catalog.failures[name]
        output.line(f"! {name}: the refresh of {failed.at} failed, so these are older: {failed.message}")
    if found:
        output.line("prices are samples; --json names the source of each; `plexctl catalog refresh` reads new ones")


def _row(catalog: Catalog, one: Judged, day: date) -> list[str]:
    shown, row, found = one.to_dict(day), one.row, one.assessment
    count = f"{row.count} x " if row.count > 1 else ""
    many = f"{len(row.regions)} regions" if len(row.regions) > 1 else "".join(row.regions)
    mark = "!" if row.provider in catalog.failures else ""
    days = shown["age_days"]
    return [
        f"{count}{row.gpu or 'your own'}",
        row.provider,
        one.region or many or "-",
        f"{usd(one.usd_per_hour)}{'*' if one.is_converted else ''}",
        usd(one.usd_per_conversation_hour),
        "-" if found is None else f"{found.gpu.vram_gib:g} GB {found.fit.words}",
        "-" if found is None else found.prediction.pace.words,
        row.stock or "-",
        age(days if isinstance(days, int) else None, stale=bool(shown["is_stale"])) + mark,
    ]

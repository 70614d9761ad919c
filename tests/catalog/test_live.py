"""Live offers laid over the catalog's rows: what is told counts, what is not told stays."""

from __future__ import annotations

from datetime import date

from plexctl.catalog.judging import Judged, judge
from plexctl.catalog.live import Told, offer_of, offers_of, rows_of, with_live
from plexctl.catalog.rows import Catalog, Row
from plexctl.catalog.wishes import Wish
from plexctl.catalog.without_gpu import WITHOUT_GPU
from plexctl.model import Offer
from plexctl.registry import BUILT_IN, OWN_HARDWARE, provider_class

DAY = date(2026, 11, 21)
SHIPPED = Row(
    provider="modal",
    gpu="L40S",
    price=1.95,
    source="a copy",
    as_of="2026-05-07",
    regions=("a", "b"),
    note="GPU only",
)


def offer(gpu: str | None, price: float | None, region: str | None = None, **detail: str) -> Offer:
    """Return a live offer of Modal's."""
    return Offer("modal", gpu, 1 if gpu else 0, region, price, "its rates", "2026-11-21" if price else None, detail)


def told(*offers: Offer, is_stock: bool = False) -> Told:
    """Return what Modal offers."""
    return Told("modal", offers, is_stock)


def chosen(rows: list[Row], region: str | None = None) -> Judged:
    """Return the first row, judged."""
    catalog = Catalog(as_of="2026-11-21", rows=tuple(rows))
    return judge(catalog, Wish(providers=("modal",), region=region), rows)[0]


def test_a_live_price_takes_the_place_of_the_sample() -> None:
    """With its source, its date, and without the note on the other one; the regions are known from the catalog."""
    (row,) = with_live([SHIPPED], told(offer("L40S", 2.5)), DAY)
    assert (row.price, row.source, row.as_of, row.is_verified) == (2.5, "its rates", "2026-11-21", True)
    assert (row.regions, row.note) == (("a", "b"), None)


def test_an_offer_without_a_price_keeps_the_sample() -> None:
    """It says where, not how much."""
    (row,) = with_live([SHIPPED], told(offer("L40S", None, "c")), DAY)
    assert (row.price, row.as_of, row.note, row.regions) == (1.95, "2026-05-07", "GPU only", ("c",))


def test_what_the_provider_says_nothing_of_stays() -> None:
    """Another GPU's live price changes nothing of it; a GPU that the catalog lacks is added."""
    rows = with_live([SHIPPED], told(offer("H100", 4.0)), DAY)
    assert {row.gpu: row.price for row in rows} == {"H100 SXM": 4.0, "L40S": 1.95}


def test_what_a_market_leaves_out_is_out_of_stock() -> None:
    """The sample has no say where the provider lists all that it has; also in a region that the sample lacks."""
    rows = with_live([SHIPPED], told(offer("H100", 4.0), is_stock=True), DAY, "c")
    assert {row.gpu: row.stock for row in rows} == {"H100 SXM": None, "L40S": "none"}
    assert rows[1].regions == ("a", "b", "c")


def test_what_is_denied_leaves_no_sample_in_its_place() -> None:
    """The only L40S is of a bad host: the catalog's is not taken instead."""
    bad = offer("L40S", 2.5, host="x")
    assert with_live([SHIPPED], Told("modal", denied=((bad, "it failed"),)), DAY) == []


def test_each_machine_of_one_price_is_an_offer() -> None:
    """The first is the one that a plan without a loop takes."""
    live = [offer("L4", 1.0, "a", host="x"), offer("L4", 1.0, "b", host="y"), offer("L4", 1.0, "a", host="z")]
    judged = chosen(rows_of(live, DAY))
    assert [one.detail["host"] for one in offers_of(judged, live)] == ["x", "y", "z"]
    assert offers_of(judged, live)[0] == offer_of(judged, live)
    alike = [offer("L4", 1.0, "a"), offer("L4", 1.0, "b")]
    assert len(offers_of(chosen(rows_of(alike, DAY)), alike)) == 1


def test_regions_of_one_price_are_one_row() -> None:
    """And another price is another."""
    rows = rows_of([offer("L4", 1.0, "a"), offer("L4", 1.0, "b"), offer("L4", 2.0, "c")], DAY)
    assert [(row.price, row.regions) for row in rows] == [(1.0, ("a", "b")), (2.0, ("c",))]


def test_what_only_the_adapter_needs_comes_along() -> None:
    """From the offer in the region that is asked for, or in the first that the row names."""
    offers = [offer("L4", 1.0, "a", zone="a1"), offer("L4", 1.0, "b", zone="b1")]
    rows = rows_of(offers, DAY)
    assert offer_of(chosen(rows, "b"), offers).detail == {"zone": "b1"}
    assert offer_of(chosen(rows), offers).region == "a"


def test_where_all_are_alike_the_plan_says_where() -> None:
    """As it does without asking anybody; what is asked for stands."""
    offers = [offer("L4", None, "a"), offer("L4", None, "b")]
    rows = rows_of(offers, DAY)
    assert offer_of(chosen(rows), offers).region is None
    assert offer_of(chosen(rows, "b"), offers).region == "b"


def test_prices_without_a_gpu_are_for_those_who_run_without_one() -> None:
    """The table has each adapter that can, and no other; each says where its price is from, and is unverified.

    One's own hosts have no price.
    """
    can = {name for name in BUILT_IN if provider_class(name).capabilities.runs_without_gpu} - set(OWN_HARDWARE)
    assert set(WITHOUT_GPU) == can
    assert all("unverified" in row.source and row.count == 0 and row.gpu is None for row in WITHOUT_GPU.values())

"""`plexctl list` and `plexctl status`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plexctl.cli.options import Json, OptionalName
from plexctl.cli.sessions import open_session
from plexctl.output import Output

if TYPE_CHECKING:
    from plexctl.flows.observe import View
    from plexctl.flows.session import Session
    from plexctl.model import GpuUse


def list_deployments(as_json: Json = False) -> None:  # noqa: FBT002
    """List the deployments, with what is true of them now."""
    output = Output(as_json)
    session = open_session(output)
    views = _views(session, None)
    if views:
        output.table(
            ("NAME", "PROVIDER", "STATE", "ENDPOINT", "USD/HOUR"),
            [(v.record.ref.name, v.record.ref.provider, v.status.state, _url(v), _price(v)) for v in views],
        )
    else:
        output.line("no deployments")
    output.document("list", {"deployments": [view.to_dict(session.now()) for view in views]})


def status(name: OptionalName = None, as_json: Json = False) -> None:  # noqa: FBT002
    """Say what is true of a deployment, or of all."""
    output = Output(as_json)
    session = open_session(output)
    views = _views(session, name)
    for view in views:
        output.line(f"{view.record.ref.name} on {view.record.ref.provider}: {view.status.state}")
        output.line(f"  {view.status.detail}")
        output.line(f"  endpoint {_url(view)}")
        for gpu in view.status.gpus:
            output.line(f"  {_gpu(gpu)}")
        for line in _money(view, session.now()):
            output.line(f"  {line}")
    if not views:
        output.line("no deployments")
    output.document("status", {"deployments": [view.to_dict(session.now()) for view in views]})


def _views(session: Session, name: str | None) -> list[View]:
    """Look at what is recorded; without any record nothing is loaded that could look."""
    if name is None and not session.has_journal():
        return []
    from plexctl.flows.observe import observe

    return observe(session, name)


def _url(view: View) -> str:
    endpoint = view.status.endpoint or view.record.endpoint
    return "-" if endpoint is None else endpoint.url


def _gpu(gpu: GpuUse) -> str:
    """Return a GPU and what it does; what its driver does not tell is left out."""
    used, total = gpu.memory_used_mib, gpu.memory_total_mib
    memory = None if used is None or total is None else f"{used / 1024:.1f} of {total / 1024:.1f} GiB"
    busy = None if gpu.utilization_percent is None else f"{gpu.utilization_percent} % busy"
    warm = None if gpu.temperature_c is None else f"{gpu.temperature_c} \u00b0C"
    return f"GPU {', '.join([gpu.name, *(one for one in (memory, busy, warm) if one)])}"


def _money(view: View, now: float) -> list[str]:
    """Return what is up, what it bills and what it has cost, each marked as what it is."""
    from plexctl.flows.costs import costs_of

    costs = costs_of(view, now)
    so_far = "not known" if costs.estimate is None else f"about {costs.estimate:.2f} USD"
    up = "not known" if costs.replicas is None else str(costs.replicas)
    return [
        f"replicas {up}",
        f"bills now, estimated: {costs.words}",
        f"cost so far, estimated: {so_far} ({costs.basis})",
    ]


def _price(view: View) -> str:
    price = view.record.offer.price_usd_per_hour
    return "?" if price is None else f"{price:.2f}"

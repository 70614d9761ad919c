"""What a deployment bills now and what it has cost: estimates, each with the ground on which it is said."""

from __future__ import annotations

from dataclasses import dataclass

from plexctl.catalog.billing import billing_of
from plexctl.flows.observe import ENDED, RUNNING, View
from plexctl.states import State

_HOUR_S = 3600.0
_CENT = 4


@dataclass(frozen=True, slots=True)
class Costs:
    """What is up, what that bills, and the estimate of what it has cost in USD; None is what nobody can tell."""

    replicas: int | None
    usd_per_hour: float | None
    words: str
    estimate: float | None
    basis: str

    def to_dict(self) -> dict[str, object]:
        """Return it as a part of the JSON documents of `list` and `status`."""
        return {
            "replicas": self.replicas,
            "bills_now": {"usd_per_hour": self.usd_per_hour, "words": self.words},
            "cost_estimate": self.estimate,
            "cost_basis": self.basis,
        }


def costs_of(view: View, now: float) -> Costs:
    """Say what a deployment bills and has cost. `now` in seconds since the epoch."""
    replicas = _replicas(view)
    usd_per_hour, words = _bills(view, replicas)
    estimate, basis = _estimate(view, now)
    return Costs(replicas, usd_per_hour, words, estimate, basis)


def _replicas(view: View) -> int | None:
    if view.usage is not None:
        return view.usage.replicas
    if view.status.state in ENDED or view.status.state is State.IDLE:
        return 0
    return 1 if view.status.state in RUNNING else None


def _bills(view: View, replicas: int | None) -> tuple[float | None, str]:
    price, state = view.record.offer.price_usd_per_hour, view.status.state
    if price == 0:
        return 0.0, "nothing: it is your own hardware"
    if state in ENDED:
        after = f"after a stop: {billing_of(view.record.ref.provider).stopped}"
        return (0.0, "nothing: it is gone at the provider") if state is State.MISSING else (None, after)
    if replicas == 0:
        return 0.0, "nothing for GPUs while no container is up"
    if replicas is None:
        return None, f"not known: {view.usage.source if view.usage else view.status.detail}"
    if price is None:
        return None, f"{replicas} replica(s) at a price that is not known"
    return round(replicas * price, _CENT), f"{replicas} x {price:.2f} USD per hour"


def _estimate(view: View, now: float) -> tuple[float | None, str]:
    price, usage, hours = view.record.offer.price_usd_per_hour, view.usage, (now - view.record.created_at) / _HOUR_S
    if usage is not None and usage.cost_usd is not None:
        return round(usage.cost_usd, _CENT), usage.source
    if price is None:
        return None, "the price is not known"
    if usage is not None and usage.billed_s is not None:
        basis = (
            f"estimated: {usage.billed_s:.0f} billed seconds x {price:.2f} USD per hour of {view.record.offer.source}"
        )
        return round(price * usage.billed_s / _HOUR_S, _CENT), f"{basis}; {usage.source}"
    who = "one replica" if view.most_replicas == 1 else f"all {view.most_replicas} replicas"
    return round(
        price * view.most_replicas * hours, _CENT
    ), f"at most: price x age, as if {who} had been up all the time"

"""`scale`: how many replicas are kept up although nobody calls, and how many there may be; nothing is woken by it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from plexctl.contract import Provider
from plexctl.errors import PreflightError, UsageError
from plexctl.flows.observe import number_at
from plexctl.flows.operate import SecretsOf, recorded
from plexctl.flows.session import Session
from plexctl.flows.undoing import undone
from plexctl.journal import Entry, Record, Wanted
from plexctl.locks import mutation_lock
from plexctl.model import Level, Plan
from plexctl.registry import BUILT_IN, PURE, pure_half
from plexctl.spec import Spec


@dataclass(frozen=True, slots=True)
class Scale:
    """The fewest and the most replicas."""

    least: int
    most: int


@dataclass(frozen=True, slots=True)
class Scaling:
    """What a `scale` would change."""

    record: Record
    before: Scale
    after: Scale
    spec: Spec
    plan: Plan
    bills: str
    """What the replicas that are kept up bill, in words."""

    @property
    def is_stopped(self) -> bool:
        """Whether it counts from the next start on, as nothing of it runs."""
        return self.record.wanted is Wanted.STOPPED


def prepare_scaling(session: Session, name: str, least: int | None, most: int | None) -> Scaling:
    """Return what would change; None leaves a number as it is.

    Raises UsageError for a provider that does not scale and for numbers that no provider takes, PreflightError for
    what the adapter finds cannot be.
    """
    record = session.record(name)
    provider = session.provider(record.ref.provider)
    keys = _keys(session, provider)
    before = Scale(*(number_at(record.spec, key) for key in keys))
    after = Scale(before.least if least is None else least, before.most if most is None else most)
    if after.least > after.most:
        raise UsageError(f"--min {after.least} is above --max {after.most}", hint="raise --max")
    spec = _with(_with(record.spec, keys[0], after.least, "--min"), keys[1], after.most, "--max")
    _refuse_failed(record, spec)
    return Scaling(record, before, after, spec, provider.plan(spec, record.offer), _bills(record, after))


def scale(session: Session, scaling: Scaling, values_of: SecretsOf) -> bool:
    """Record the numbers and apply the plan; when that fails it gets its former numbers back. Returns what changed."""
    name = scaling.record.ref.name
    with mutation_lock(session.home, name), session.journal() as journal:
        record = recorded(journal, name)
        if scaling.after == scaling.before:
            return False
        entry = journal.entry(record.ref.id)
        entry.respec(scaling.spec, record.offer)
        if scaling.is_stopped:
            return True
        provider = session.provider(record.ref.provider, values_of(scaling.plan.secrets))
        try:
            return provider.apply(scaling.plan, entry).changed
        except BaseException as error:
            raise undone(session, error, lambda: _put_back(provider, entry, record), _failed(name)) from error


def _put_back(provider: Provider, entry: Entry, record: Record) -> str:
    entry.respec(record.spec, record.offer)
    provider.apply(provider.plan(record.spec, record.offer), entry)
    return f"{record.ref.name} scales as before"


def _failed(name: str) -> Callable[[str], str]:
    def words(reason: str) -> str:
        return f"going back {reason}: run `plexctl scale {name}` again"

    return words


def _keys(session: Session, provider: Provider) -> tuple[str, str]:
    if provider.capabilities.scaling is not None:
        return provider.capabilities.scaling
    can = [one for one in BUILT_IN if session.providers.provider_class(one).capabilities.scaling]
    raise UsageError(f"{provider.name} does not scale", hint=f"these do: {', '.join(can)}")


def _with(spec: Spec, key: str, value: int, flag: str) -> Spec:
    """Return the spec with a number at a dotted key. Raises UsageError for one that the key does not take."""
    content = msgspec.to_builtins(spec)
    *tables, last = key.split(".")
    table = content
    for one in tables:
        table = table[one]
    table[last] = value
    try:
        return msgspec.convert(content, type=Spec)
    except msgspec.ValidationError as error:
        raise UsageError(f"{flag} {value} is not valid: {error}", hint=f"see {key} in `plexctl init`") from None


def _refuse_failed(record: Record, spec: Spec) -> None:
    if record.ref.provider not in PURE:
        return
    found = pure_half(record.ref.provider).check(spec, record.offer)
    failed = next((one for one in found if one.level is Level.FAIL), None)
    if failed is not None:
        raise PreflightError(failed.message, hint=failed.fix)


def _bills(record: Record, after: Scale) -> str:
    if not after.least:
        return "nothing is kept up: it scales to zero"
    price = record.offer.price_usd_per_hour
    each = "at a price that is not known" if price is None else f"at {price:.2f} USD per hour each"
    return f"{after.least} kept up all day {each}, whether anybody talks or not"

"""Renting an instance so that there is never a second one, and never one that nobody knows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NoReturn, cast

from plexctl.contract import DeploymentJournal
from plexctl.errors import NoCapacityError, PreflightError, ProviderError
from plexctl.model import Offer, Plan, Ref
from plexctl.secret import Secret
from plexctl.states import State
from plexctl_providers._common.files import resource
from plexctl_providers._common.placeholders import EXPIRES_AT, ID, IMAGE, TOKEN, fill, names_in
from plexctl_providers.vast.client import VastClient
from plexctl_providers.vast.ending import look_again, remove
from plexctl_providers.vast.errors import NoAnswer, Refused, as_plexctls, vast_errors
from plexctl_providers.vast.limits import check_limits
from plexctl_providers.vast.pacing import CREATE
from plexctl_providers.vast.requests import INSTANCE
from plexctl_providers.vast.rows import Instance
from plexctl_providers.vast.states import ENDED, EXITED, status_of

_TRIES = 3
"""Creates that Vast refuses for coming too soon."""
_RENT = "rent an instance"


def filled_body(plan: Plan, identity: str, now: float, secrets: Mapping[str, Secret]) -> dict[str, Any]:
    """Return the body that is sent, with everything filled in. Raises PreflightError for what Vast would refuse."""
    whole = resource(plan, INSTANCE).body
    planned, ttl_s = whole["json"], cast("float | None", whole["ttl_s"])
    if IMAGE in names_in(planned):
        hint = "`plexctl image build --push` makes one, or name it with image.name"
        raise PreflightError("no image is named, and Vast can only pull one", hint=hint)
    values: dict[str, str | Secret] = {
        ID: identity,
        **{name: secrets[name] for name in plan.secrets if name in secrets},
    }
    if ttl_s is not None:
        values[EXPIRES_AT] = f"{now + ttl_s:.0f}"
    body = cast("dict[str, Any]", fill(planned, values))
    for found in check_limits(body):
        raise PreflightError(found.message, hint=found.fix)
    return body


def of_use(there: Iterable[Instance], ref: Ref, body: Mapping[str, Any], now: float) -> Instance | None:
    """Return what can be the deployment: what runs or comes up, else what was made as planned and can start again."""
    recorded = {one.id for one in ref.resources}
    ordered = sorted(there, key=lambda one: (str(one.id) not in recorded, one.id))
    states = {one.id: status_of(one, None).state for one in ordered}
    alive = [one for one in ordered if states[one.id] not in ENDED]
    at_rest = [one for one in ordered if states[one.id] is State.STOPPED or one.actual == EXITED]
    return next(iter([*alive, *(one for one in at_rest if _is_as_planned(one, body, now))]), None)


def _is_as_planned(instance: Instance, body: Mapping[str, Any], now: float) -> bool:
    """Tell whether an instance has the settings of a body, and time left: both stay as they were made."""
    theirs = dict(instance.settings)
    ends = theirs.pop(EXPIRES_AT, "")
    if ends.isascii() and ends.isdigit() and float(ends) <= now:
        return False
    left_out = (TOKEN, EXPIRES_AT)
    wanted = {name: value for name, value in body["env"].items() if name.startswith("PLEXCTL_")}
    return not theirs or theirs == {name: value for name, value in wanted.items() if name not in left_out}


def rent(client: VastClient, plan: Plan, journal: DeploymentJournal, body: Mapping[str, Any]) -> Instance | int:
    """Rent the plan's ask and journal it; returns the id, or what a lost answer turned out to have made.

    Raises NoCapacityError for an ask that is gone, PreflightError for money, ProviderError when nobody can tell.
    """
    ask = _ask(client, plan)
    host = _host(ask.get("machine_id"))
    intent = _Intent(journal, {"ask_id": str(ask["id"]), **host})
    made = _rent(client, f"/api/v0/asks/{ask['id']}/", body, intent)
    if isinstance(made, Instance):
        intent.note(made.id, _host(made.host))
    else:
        intent.note(made, host)
    return made


class _Intent:
    """What the journal has of an instance that is about to be: only what surely was not made leaves it."""

    def __init__(self, journal: DeploymentJournal, detail: Mapping[str, str]) -> None:
        self.label = journal.ref.label
        self._journal = journal
        self._key = journal.intend(INSTANCE, self.label, detail)

    def note(self, number: int, detail: Mapping[str, str] | None = None) -> None:
        """Record the id, at once; and what else is known of it."""
        self._journal.created(self._key, str(number), detail)

    def drop(self) -> None:
        """Record that there is none."""
        self._journal.removed(self._key)


def _rent(client: VastClient, path: str, body: Mapping[str, Any], intent: _Intent) -> Instance | int:
    for attempt in range(_TRIES):
        try:
            return client.rent(path, body)
        except NoAnswer as error:
            return _made_all_the_same(client, intent.label, error)
        except Refused as error:
            if error.new_contract is not None:
                _undo(client, error, intent)
            elif error.is_unclear:
                return _made_all_the_same(client, intent.label, error)
            elif not error.is_too_soon:
                failure = as_plexctls(error, _RENT)
                if not isinstance(failure, ProviderError):
                    intent.drop()
                raise failure from error
            else:
                with vast_errors(_RENT):
                    client.back_off(CREATE, error, attempt)
        # Before it is asked again: is it there already?
        with vast_errors(_RENT):
            there = client.labelled(intent.label)
        if there:
            return there[0]
    raise ProviderError(f"cannot {_RENT}: Vast says that it is too often", hint="wait a minute, and try again")


def _made_all_the_same(client: VastClient, label: str, error: Refused | NoAnswer) -> Instance:
    """Return what a create without an answer made. Raises ProviderError when it is not seen."""
    with vast_errors(f"see whether an instance was rented ({as_plexctls(error, _RENT).message})"):
        found = look_again(client, lambda: client.labelled(label), bool)
    if not found:
        failure = as_plexctls(error, _RENT)
        failure.hint = "it may still appear: `plexctl destroy` or a second `plexctl deploy` looks for it by its label"
        raise failure from error
    return found[0]


def _undo(client: VastClient, refused: Refused, intent: _Intent) -> NoReturn:
    """Destroy what was made although it was refused (a bid that is too low), and raise the refusal."""
    number = cast("int", refused.new_contract)
    intent.note(number)
    remove(client, [number])
    intent.drop()
    failure = as_plexctls(refused, _RENT)
    words = f"{failure.message}; instance {number}, which it made all the same, was destroyed"
    raise type(failure)(words, hint=failure.hint) from refused


def _ask(client: VastClient, plan: Plan) -> dict[str, Any]:
    """Return the ask to rent, as it is now: the offer's own, or the cheapest that the plan's search finds."""
    search = cast("Mapping[str, Mapping[str, object]]", resource(plan, INSTANCE).body["search"])["json"]
    with vast_errors("search for an offer"):
        found = client.search(search)
    wanted = plan.offer.detail.get("ask_id")
    asks = [one for one in found if one.get("id") is not None and wanted in (None, str(one["id"]))]
    if not asks:
        raise NoCapacityError(_gone(plan.offer), hint="take the next offer, or loosen the filters in [vast]")
    return asks[0]


def _gone(offer: Offer) -> str:
    ask = offer.detail.get("ask_id")
    if ask is None:
        return f"no host at Vast passes the filters for {offer.gpu or 'any GPU'}"
    return f"offer {ask} at Vast is gone, or does not pass the filters"


def _host(machine: object) -> dict[str, str]:
    return {} if machine is None else {"host": str(machine)}

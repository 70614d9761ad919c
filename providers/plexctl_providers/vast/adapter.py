"""Vast.ai: an instance on a host that a search of our own found, reached by a mapped port with a pinned certificate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import ClassVar

from plexctl.contract import Capabilities, Context, DeploymentJournal
from plexctl.model import (
    Deployment,
    Endpoint,
    Finding,
    Level,
    LogLine,
    Need,
    Offer,
    Plan,
    Ref,
    Removal,
    Resource,
    Status,
)
from plexctl.spec import Spec
from plexctl.states import State
from plexctl_providers._common.loglines import since_filter
from plexctl_providers._common.loopback import is_loopback
from plexctl_providers.vast import ending, logs, making, requests
from plexctl_providers.vast.checks import check_create, check_credit
from plexctl_providers.vast.client import VastClient
from plexctl_providers.vast.errors import NoAnswer, Refused, vast_errors
from plexctl_providers.vast.pacing import ALLOWED, SHOW, Pacing
from plexctl_providers.vast.requests import INSTANCE
from plexctl_providers.vast.rows import Instance, endpoint_at, read_ref
from plexctl_providers.vast.searching import fitting, offers_body
from plexctl_providers.vast.states import ENDED, status_of

_FRESH_S = ALLOWED[SHOW][1]
"""What Vast said within its own minimum interval counts as now."""
_NO_TLS = "the gateway of its image serves no TLS, which is for the loopback only: build the image with this plexctl"


class VastProvider:
    """Rents, watches and ends one instance for each deployment; everything is found again by its label."""

    name: ClassVar[str] = "vast"
    capabilities: ClassVar[Capabilities] = Capabilities(
        stop_keeps_disk=True, follows_logs=True, ends_itself=True, spot=True, offers_are_stock=True
    )

    def __init__(self, context: Context, *, pace: Pacing | None = None) -> None:
        self._context = context
        self._client = VastClient(context.environment, context.secrets.values(), pace)
        self._spec = Spec()

    def preflight(self, spec: Spec) -> list[Finding]:
        """Check the key, the credit, and what Vast would refuse; what the spec wishes holds for `offers` from here."""
        self._spec = spec
        with vast_errors("ask Vast whose key this is"):
            user = self._client.user()
        return [_account(user), *check_credit(user), *check_create(spec)]

    def check_credentials(self) -> Finding:
        """Ask who the key is. Raises CredentialsError for one that is refused."""
        with vast_errors("ask Vast whose key this is"):
            return _account(self._client.user())

    def offers(self, need: Need) -> list[Offer]:
        """Search; each offer has its ask, its machine and its least bid."""
        with vast_errors("search for offers"):
            rows = self._client.search(offers_body(self._spec, need))
        today = datetime.fromtimestamp(self._context.now(), UTC).date().isoformat()
        return fitting(self._spec, rows, today)

    def status(self, ref: Ref) -> Status:
        """Say what Vast says; the endpoint comes once the port is mapped and the log has told the certificate."""
        with vast_errors(f"ask for {ref.label}"):
            instance = self._one(ref, most_age_s=_FRESH_S)
        return Status(State.MISSING, None, "Vast has no such instance") if instance is None else self._status(instance)

    def logs(self, ref: Ref, *, follow: bool, since: float | None, tail: int | None) -> Iterator[LogLine]:
        """Read what it printed; with `follow`, ask again and again until it ends."""
        with vast_errors(f"read the log of {ref.label}"):
            instance = self._one(ref)
            if instance is None or (tail == 0 and not follow):
                return
            if follow:
                lines = logs.followed(self._client, instance.id, tail, partial(self._has_ended, instance.id))
            else:
                lines = iter(self._client.log(instance.id, logs.WHOLE if tail is None else tail))
            yield from since_filter(lines, since)

    def find(self, name: str | None) -> list[Ref]:
        """Find plexctl's deployments by their labels."""
        with vast_errors("list the instances"):
            found = [ref for one in self._client.labelled(None) if (ref := read_ref(one)) is not None]
        merged: dict[str, Ref] = {}
        for ref in found:
            before = merged.get(ref.label)
            resources = (*before.resources, *ref.resources) if before else ref.resources
            merged[ref.label] = Ref(ref.provider, ref.name, ref.id, resources)
        return [ref for ref in sorted(merged.values(), key=lambda one: (one.name, one.id)) if name in (None, ref.name)]

    def plan(self, spec: Spec, offer: Offer) -> Plan:
        """Lay out the one instance."""
        return requests.build_plan(spec, offer)

    def apply(self, plan: Plan, journal: DeploymentJournal) -> Deployment:
        """Adopt what runs, start what is stopped, or rent; what will never run again makes room first."""
        ref = journal.ref
        now = self._context.now()
        body = making.filled_body(plan, ref.id, now, self._context.secrets)
        with vast_errors(f"look for {ref.label}"):
            there = self._all(ref)
        kept = making.of_use(there, ref, body, now)
        ending.remove(self._client, [one.id for one in there if one is not kept])
        if kept is None:
            made = making.rent(self._client, plan, journal, body)
            return self._deployed(journal, made if isinstance(made, int) else made.id, changed=True)
        recorded = ref.first(INSTANCE)
        if recorded is None or recorded.id != str(kept.id):
            journal.created(journal.intend(INSTANCE, ref.label), str(kept.id), kept.resource.detail)
        changed = ending.start(self._client, kept)
        return self._deployed(journal, kept.id, changed=changed)

    def stop(self, ref: Ref) -> None:
        """End the GPU's bill, and read back; the disk bills on until the deployment is destroyed."""
        with vast_errors(f"look for {ref.label}"):
            there = self._all(ref)
        ending.stop(self._client, there)

    def destroy(self, ref: Ref, *, everything: bool = False) -> Removal:
        """End every instance of the label, and read back; nothing is shared and nothing kept."""
        del everything
        with vast_errors(f"look for {ref.label}"):
            there = self._all(ref)
        ending.remove(self._client, [one.id for one in there])
        return Removal(tuple(_as_recorded(one, ref) for one in there))

    def _all(self, ref: Ref) -> list[Instance]:
        """Return every instance of a deployment: by label, and by the ids that are recorded."""
        found = self._client.labelled(ref.label)
        known = {one.id for one in found}
        recorded = {int(one.id) for one in ref.resources if one.kind == INSTANCE and one.id}
        more = (self._client.instance(number) for number in sorted(recorded - known))
        return [*found, *(one for one in more if one is not None)]

    def _one(self, ref: Ref, *, most_age_s: float = 0.0) -> Instance | None:
        """Return a deployment's instance: the one that is recorded, else the one of its label."""
        recorded = ref.first(INSTANCE)
        if recorded and recorded.id:
            return self._client.instance(int(recorded.id), most_age_s=most_age_s)
        return next(iter(self._client.labelled(ref.label)), None)

    def _status(self, instance: Instance) -> Status:
        tls = self._tls(instance)
        if tls == logs.NO_TLS and not is_loopback(instance.address or ""):
            return Status(State.FAILED, None, _NO_TLS)
        return status_of(instance, endpoint_at(instance, tls) if tls else None)

    def _tls(self, instance: Instance) -> str | None:
        """Return how to trust the gateway, as its log tells through Vast; None while that is not known."""
        if instance.actual != "running" or not instance.is_meant_to_run or instance.port is None:
            return None
        told = self._client.certificate(instance.id)
        if told is None:
            # The log comes from the host, which may be slow: the next look tries again.
            with suppress(Refused, NoAnswer):
                told = logs.tls_of(self._client.log(instance.id, logs.WHOLE))
            self._client.note_certificate(instance.id, told)
        return told

    def _has_ended(self, number: int) -> bool:
        instance = self._client.instance(number)
        return instance is None or status_of(instance, None).state in ENDED

    def _deployed(self, journal: DeploymentJournal, number: int, *, changed: bool) -> Deployment:
        """Return what there is now; where callers go is often not known yet, and `status` tells it."""
        endpoint: Endpoint | None = None
        with suppress(Refused, NoAnswer):
            instance = self._client.instance(number)
            endpoint = self._status(instance).endpoint if instance else None
        if endpoint is not None:
            journal.reached(endpoint)
        return Deployment(journal.ref, endpoint, changed)


def _account(user: Mapping[str, object]) -> Finding:
    return Finding("vast-key", Level.OK, f"the key is of account {user.get('id', '?')}")


def _as_recorded(instance: Instance, ref: Ref) -> Resource:
    """Return the resource in the journal's own words, where it has it."""
    same = (one for one in ref.resources if one.kind == INSTANCE and one.id == str(instance.id))
    return next(same, instance.resource)

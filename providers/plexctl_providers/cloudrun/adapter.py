"""The Cloud Run provider: a service that scales to zero, and what it needs around it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from plexctl.contract import Capabilities, Context, DeploymentJournal
from plexctl.errors import PlexError
from plexctl.gpus import matching
from plexctl.model import Deployment, Finding, Level, LogLine, Need, Offer, Plan, Ref, Removal, Status, Usage
from plexctl.spec import Spec
from plexctl.states import State
from plexctl_providers.cloudrun import requests
from plexctl_providers.cloudrun.answers import Json
from plexctl_providers.cloudrun.client import Google
from plexctl_providers.cloudrun.errors import LOGIN, is_lost
from plexctl_providers.cloudrun.offers import OFFERS
from plexctl_providers.cloudrun.place import Place
from plexctl_providers.cloudrun.policies import RUN, Guarded, is_allowed
from plexctl_providers.cloudrun.service import LONGEST_SESSION_S
from plexctl_providers.cloudrun.states import status_of
from plexctl_providers.cloudrun.surroundings import EVERYONE, INVOKER_ROLE


class CloudRunProvider:
    """Runs the gateway on Google Cloud Run. Nothing of Google's is imported or asked before it is needed."""

    name: ClassVar[str] = "cloudrun"
    capabilities: ClassVar[Capabilities] = Capabilities(
        scale_to_zero=True,
        stop_keeps_disk=True,
        follows_logs=True,
        secret_store=True,
        longest_session_s=LONGEST_SESSION_S,
        tls_at_edge=True,
        runs_without_gpu=True,
        updates_in_place=True,
        scaling=("cloudrun.min_instances", "cloudrun.max_instances"),
    )

    def __init__(self, context: Context) -> None:
        self._google = Google(context)

    def preflight(self, spec: Spec) -> list[Finding]:
        """Check credentials, project and rights; what the spec alone tells is `requests.check`'s."""
        from plexctl_providers.cloudrun.preflight import preflight

        return preflight(self._google, spec)

    def check_offer(self, spec: Spec, offer: Offer) -> list[Finding]:
        """Hold what all services of the offer's region may grow to, with ours, against its quotas."""
        from plexctl_providers.cloudrun.quotas import check_quota

        return check_quota(self._google, spec, offer)

    def check_credentials(self) -> Finding:
        """Say who we are and in which project, by one call that only reads."""
        from plexctl_providers.cloudrun.projects import project_number

        try:
            project = self._google.project()
            number = project_number(self._google, project)
        except PlexError as error:
            return Finding("google", Level.FAIL, error.message, error.hint or LOGIN)
        return Finding("google", Level.OK, f"project {project} ({number})")

    def offers(self, need: Need) -> list[Offer]:
        """Offer each GPU in each region that has it, and no GPU where none is asked for; prices are the catalog's."""
        return [offer for offer in OFFERS if _meets(offer, need)]

    def status(self, ref: Ref) -> Status:
        """Say what Cloud Run says. Raises the error that a failed start means: quota, capacity, permission, image."""
        place = self._place(ref)
        if place is None:
            return status_of(None)
        service = self._google.services.get(place.service(ref.label))
        status = status_of(service)
        if service is None or status.state is not State.LOADING or self._lets_everyone_in(service):
            return status
        # Nobody here can ask the gateway then: Google's word that it started is all that there is.
        return Status(State.READY, None, "Google says it started; it checks callers, so that its gateway is not asked")

    def usage(self, ref: Ref, since: float) -> Usage:
        """Say how many instances are up, without asking any of them."""
        from plexctl_providers.cloudrun.usage import usage_of

        place = self._place(ref)
        return Usage(0, None, "it is not there") if place is None else usage_of(self._google, place, ref, since)

    def logs(self, ref: Ref, *, follow: bool, since: float | None, tail: int | None) -> Iterator[LogLine]:
        """Read what the containers and Cloud Run about them said; with `follow`, go on until it is stopped or gone."""
        from plexctl_providers.cloudrun.logs import follow_lines, read_lines

        place = self._place(ref)
        if place is None:
            return
        if not follow:
            yield from read_lines(self._google, place, ref.label, since=since, tail=tail)
            return
        yield from follow_lines(self._google, place, ref.label, lambda: self._goes_on(ref), since=since, tail=tail)

    def find(self, name: str | None) -> list[Ref]:
        """Find deployments by labels, also those of which only image and secrets are left."""
        from plexctl_providers.cloudrun.search import find

        return find(self._google, self._google.project(), name)

    def plan(self, spec: Spec, offer: Offer) -> Plan:
        """Lay out the calls; a project that the spec does not name stays a placeholder."""
        return requests.build_plan(spec, offer)

    def apply(self, plan: Plan, journal: DeploymentJournal) -> Deployment:
        """Make what is missing, change what differs."""
        from plexctl_providers.cloudrun.applying import apply

        return apply(self._google, plan, journal)

    def stop(self, ref: Ref) -> None:
        """Disable the service and read back: nothing starts, and nothing bills but what is stored."""
        from plexctl_providers.cloudrun.service_update import stop

        place = self._place(ref)
        if place is not None:
            stop(self._google, place.service(ref.label))

    def destroy(self, ref: Ref, *, everything: bool = False) -> Removal:
        """Remove service and buckets; image, repository and secrets too with `everything`. Read back."""
        from plexctl_providers.cloudrun.removal import destroy

        return destroy(self._google, ref, everything=everything)

    def _place(self, ref: Ref) -> Place | None:
        from plexctl_providers.cloudrun.search import place_of

        return place_of(self._google, ref)

    def _goes_on(self, ref: Ref) -> bool:
        try:
            return self.status(ref).state not in (State.STOPPED, State.MISSING, State.FAILED)
        except PlexError as error:
            return is_lost(error)

    def _lets_everyone_in(self, service: Json) -> bool:
        thing = Guarded(RUN, service["name"])
        is_open = bool(service.get("invokerIamDisabled"))
        return is_open or is_allowed(self._google, thing, INVOKER_ROLE, EVERYONE)


def _meets(offer: Offer, need: Need) -> bool:
    gpus = matching(need.gpu, "cloudrun") if need.gpu else ()
    own = next(iter(matching(offer.gpu, "cloudrun")), None) if offer.gpu else None
    if need.region not in (None, offer.region):
        return False
    if own is None:
        return need.gpu is None and need.min_vram_gib is None
    return (not need.gpu or own in gpus) and own.vram_gib >= (need.min_vram_gib or 0)

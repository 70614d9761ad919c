"""OVHcloud: an instance of the Public Cloud, or (experimental) an app of AI Deploy; a plan's resources tell which."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime
from typing import ClassVar

from plexctl.contract import Capabilities, Context, DeploymentJournal, Login
from plexctl.errors import NotFoundError
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
    Status,
)
from plexctl.spec import Spec
from plexctl.states import State
from plexctl_providers._common.clock import Clock
from plexctl_providers._common.offers import meets
from plexctl_providers.ovh import requests
from plexctl_providers.ovh.ai_deploy import APP
from plexctl_providers.ovh.app_offers import app_offers, check_app_offer
from plexctl_providers.ovh.apps import Apps
from plexctl_providers.ovh.client import Client
from plexctl_providers.ovh.consumer_key import request_consumer_key
from plexctl_providers.ovh.instance_offers import check_flavour, instance_offers, read_flavours, refuse_without_quota
from plexctl_providers.ovh.machines import Machines
from plexctl_providers.ovh.projects import project_for
from plexctl_providers.ovh.requests import AI_DEPLOY


class OvhProvider:
    """Deploys to OVHcloud by python-ovh."""

    name: ClassVar[str] = "ovh"
    capabilities: ClassVar[Capabilities] = Capabilities(
        stop_keeps_disk=True, follows_logs=True, offers_are_stock=True, runs_without_gpu=True
    )

    def __init__(self, context: Context, *, clock: Clock = Clock()) -> None:  # noqa: B008 - it is immutable
        self._context = context
        self._client = Client(context, clock)
        self._machines = Machines(self._client, context)
        self._apps = Apps(self._client, context)
        self._spec = Spec()

    def preflight(self, spec: Spec) -> list[Finding]:
        """Check the credentials and the project; what the spec wishes holds for `offers` from here."""
        self.plans_for(spec)
        project = project_for(self._client, spec)
        known = self._client.all_projects()
        if project not in known:
            words = f"the account has no project {project}"
            fix = f"it has {', '.join(sorted(known)) or 'none'}: set ovh.project to the id of one"
            return [Finding("ovh-project", Level.FAIL, words, fix)]
        return [Finding("ovh-project", Level.OK, f"OVHcloud takes the credentials; the project is {project}")]

    def plans_for(self, spec: Spec) -> None:
        """Let `offers` heed the product, project and region of a spec."""
        self._spec = spec

    def check_credentials(self) -> Finding:
        """Say whether OVHcloud takes the credentials, which the list of projects shows. Raises CredentialsError."""
        count = len(self._client.all_projects())
        who = "the service account" if self._client.credentials.is_service_account else "the consumer key"
        words = f"OVHcloud takes {who}: {count} Public Cloud project{'' if count == 1 else 's'}"
        return Finding("credentials-ovh", Level.OK, words)

    def begin_login(self) -> Login:
        """Ask for a consumer key, which counts once its owner has confirmed it. Raises what `client` raises."""
        address, key = request_consumer_key(self._context.environment)
        return Login(address, "OVH_CONSUMER_KEY", key)

    def offers(self, need: Need) -> list[Offer]:
        """Offer what is in stock and within the quota. Prices are not told there: the catalogue's are used.

        Raises PreflightError where the quota alone stands in the way.
        """
        day = datetime.fromtimestamp(self._context.now(), UTC).date().isoformat()
        project = project_for(self._client, self._spec)
        where = replace(need, region=need.region or self._spec.ovh.region, max_price_usd_per_hour=None)
        if self._spec.ovh.product == AI_DEPLOY:
            found = app_offers(self._client, project, where, day)
        else:
            sizes = read_flavours(self._client, project, where.region)
            if where.gpu is not None or where.min_vram_gib is not None:
                refuse_without_quota(sizes, where)
            found = instance_offers(sizes, day)
        return [offer for offer in found if offer.gpu is None or meets(offer, where)]

    def check_offer(self, spec: Spec, offer: Offer) -> list[Finding]:
        """Check stock and quota of the chosen offer before anything costs."""
        project = project_for(self._client, spec)
        if spec.ovh.product == AI_DEPLOY:
            return check_app_offer(self._client, project, offer)
        region = spec.ovh.region or offer.region
        return check_flavour(read_flavours(self._client, project, region), replace(offer, region=region))

    def status(self, ref: Ref) -> Status:
        """Say what OVHcloud says, and for an instance that is up, what is on it."""
        found = [product.status(ref) for product in self._products(ref)]
        return next((one for one in found if one.state is not State.MISSING), found[0])

    def logs(self, ref: Ref, *, follow: bool, since: float | None, tail: int | None) -> Iterator[LogLine]:
        """Read the app's log, or that of the gateway on the instance."""
        for product in self._products(ref):
            yield from product.logs(ref, follow=follow, since=since, tail=tail)

    def find(self, name: str | None) -> list[Ref]:
        """Find deployments by labels and names, in all projects of the account or the one that is named."""
        merged: dict[str, Ref] = {}
        for project in self._client.projects():
            for ref in (*self._machines.find(project), *self._apps.find(project)):
                before = merged.get(ref.label)
                resources = (*before.resources, *ref.resources) if before else ref.resources
                merged[ref.label] = replace(ref, resources=resources)
        return [ref for ref in sorted(merged.values(), key=lambda one: (one.name, one.id)) if name in (None, ref.name)]

    def plan(self, spec: Spec, offer: Offer) -> Plan:
        """Lay out the product that the spec names."""
        return requests.build_plan(spec, offer)

    def apply(self, plan: Plan, journal: DeploymentJournal) -> Deployment:
        """Make the instance or the app, or adopt what is there."""
        return self._product(plan).apply(plan, journal)

    def proceed(self, plan: Plan, journal: DeploymentJournal) -> Status:
        """Go on with an instance that boots; an app comes up by itself."""
        product = self._product(plan)
        return product.proceed(plan, journal) if isinstance(product, Machines) else product.status(journal.ref)

    def stop(self, ref: Ref) -> None:
        """Shelve the instance, or stop the app, and read back."""
        for product in self._products(ref):
            product.stop(ref)

    def destroy(self, ref: Ref, *, everything: bool = False) -> Removal:
        """Delete everything of the deployment, and read back; nothing is shared and nothing kept."""
        del everything
        removals = [product.destroy(ref) for product in self._products(ref)]
        return Removal(tuple(one for removal in removals for one in removal.removed))

    def tunnel(self, ref: Ref) -> AbstractContextManager[Endpoint]:
        """Give the gateway of an instance on this computer's loopback. Raises NotFoundError."""
        return self._hosts(ref).tunnel(ref)

    def shell(self, ref: Ref) -> tuple[str, ...]:
        """Return OpenSSH's command line for the instance. Raises NotFoundError."""
        return self._hosts(ref).shell(ref)

    def holdings(self, ref: Ref) -> list[str]:
        """List what a destroy removes on the instance; nothing for an app, which has no host."""
        return [] if ref.first(APP) else self._machines.holdings(ref)

    def _product(self, plan: Plan) -> Machines | Apps:
        return self._apps if any(one.kind == APP for one in plan.resources) else self._machines

    def _products(self, ref: Ref) -> list[Machines | Apps]:
        """Return who knows of a deployment; both where nothing of it is recorded."""
        if not ref.resources:
            return [self._machines, self._apps]
        kinds = {one.kind for one in ref.resources}
        return [*([self._machines] if kinds - {APP} else []), *([self._apps] if APP in kinds else [])]

    def _hosts(self, ref: Ref) -> Machines:
        if ref.first(APP):
            raise NotFoundError(f"{ref.name} is an app of AI Deploy, which has no host to log in to")
        return self._machines

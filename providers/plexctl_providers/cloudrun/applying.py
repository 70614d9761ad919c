"""A plan made real on Cloud Run: one step for each of its resources, each read before it is made, or left.

Every step can be the first after a crash: what is there as planned gets no call that changes anything, and the journal
knows each thing before it is made. Everything that bills comes last: secrets, image and buckets, then the service.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any, cast

from plexctl.contract import DeploymentJournal
from plexctl.errors import PreflightError
from plexctl.model import Deployment, Plan, PlannedResource
from plexctl.secret import Secret
from plexctl_providers._common.placeholders import EXPIRES_AT, ID, fill, names_in
from plexctl_providers.cloudrun import image_build, surroundings
from plexctl_providers.cloudrun.accelerators import region_of
from plexctl_providers.cloudrun.answers import Json
from plexctl_providers.cloudrun.buckets import ensure_bucket
from plexctl_providers.cloudrun.client import Google
from plexctl_providers.cloudrun.making import Record
from plexctl_providers.cloudrun.names import CONTEXT, DIGEST, PROJECT, PROJECT_NUMBER
from plexctl_providers.cloudrun.place import IMAGES, Place, recorded_place
from plexctl_providers.cloudrun.policies import RUN, Guarded, allow, deny, is_allowed
from plexctl_providers.cloudrun.projects import enable, project_number
from plexctl_providers.cloudrun.removal import leave_other_regions
from plexctl_providers.cloudrun.requests import SERVICE
from plexctl_providers.cloudrun.secret_store import ensure_secret, ensure_value
from plexctl_providers.cloudrun.service_update import bring_up, endpoint_of, fingerprint, pinned


def apply(google: Google, plan: Plan, journal: DeploymentJournal) -> Deployment:
    """Make the plan real; return without waiting for readiness. Raises the errors of `errors` and PreflightError."""
    return _Applying(google, plan, journal).run()


class _Applying:
    def __init__(self, google: Google, plan: Plan, journal: DeploymentJournal) -> None:
        self.google, self.plan, self.journal = google, plan, journal
        self.record = Record(journal)
        supplied = google.context.secrets
        missing = [name for name in plan.secrets if name not in supplied]
        if missing:
            raise PreflightError(f"no value was supplied for {', '.join(missing)}")
        self.secrets: dict[str, Secret] = {name: supplied[name] for name in plan.secrets}
        recorded = recorded_place(journal.ref)
        # What exists stays in its project, whatever the environment names meanwhile.
        project = _project_of(plan) or (recorded.project if recorded else None)
        self.place = Place(google.project(project), region_of(plan.offer))
        self.values: dict[str, str] = {ID: journal.ref.id, PROJECT: self.place.project}
        self.versions: dict[str, str] = {}
        """The newest version's number of each secret, by its id."""

    def run(self) -> Deployment:
        before = self.google.changes
        if PROJECT_NUMBER in names_in([one.body for one in self.plan.resources]):
            self.values[PROJECT_NUMBER] = project_number(self.google, self.place.project)
        leave_other_regions(self.google, self.journal.ref, self.place)
        self._know_the_image()
        steps: Mapping[str, Callable[[PlannedResource], object]] = {
            surroundings.APIS: self._apis,
            surroundings.SECRET: self._secret,
            surroundings.SECRET_VERSION: self._secret_version,
            surroundings.SECRET_ACCESS: self._secret_access,
            surroundings.REPOSITORY: self._repository,
            surroundings.SOURCE_BUCKET: self._bucket,
            surroundings.SOURCE: self._source,
            surroundings.BUILD: self._image,
            surroundings.WEIGHTS_BUCKET: self._bucket,
            surroundings.WEIGHTS_ACCESS: self._weights_access,
            SERVICE: self._service,
            surroundings.INVOKER: self._invoker,
        }
        for resource in self.plan.resources:
            steps[resource.kind](resource)
        if all(resource.kind != surroundings.INVOKER for resource in self.plan.resources):
            deny(self.google, self._callers(), surroundings.INVOKER_ROLE, surroundings.EVERYONE)
        endpoint = endpoint_of(self.google, self.place.service(self.journal.ref.label))
        if endpoint is not None:
            self.journal.reached(endpoint)
        return Deployment(self.journal.ref, endpoint, self.google.changes > before)

    def _know_the_image(self) -> None:
        """Find out what the image would be built from: its tag is in the names of what follows."""
        source = next((one for one in self.plan.resources if one.kind == surroundings.SOURCE), None)
        if source is not None:
            self.files = image_build.context_of(source.body)
            self.values[CONTEXT] = image_build.tag_of(self.files)

    def _apis(self, resource: PlannedResource) -> None:
        enable(self.google, self.place.project, self._call(resource))

    def _secret(self, resource: PlannedResource) -> None:
        self._through(resource, lambda: ensure_secret(self.google, self.place, self._call(resource)))

    def _secret_version(self, resource: PlannedResource) -> None:
        name = self._name(resource)
        variable = next(one for one in self.plan.secrets if name.endswith(f"-{one}"))
        value = self.secrets[variable].reveal()
        call = self._call(resource, {f"{variable}_BASE64": base64.b64encode(value.encode()).decode()})
        self.versions[name] = ensure_value(self.google, self.place.secret(name), call)

    def _secret_access(self, resource: PlannedResource) -> None:
        thing = Guarded("secretmanager", f"/v1/{self.place.secret(self._name(resource))}")
        allow(self.google, thing, *_binding(self._call(resource)))

    def _repository(self, resource: PlannedResource) -> None:
        name = self.place.repository(resource.name)

        def make() -> str:
            image_build.ensure_repository(self.google, name, self._call(resource))
            return name

        self._through(resource, make)

    def _bucket(self, resource: PlannedResource) -> None:
        self._through(resource, lambda: ensure_bucket(self.google, self._call(resource), self.journal.ref.id))

    def _source(self, resource: PlannedResource) -> None:
        if self._digest() is None:
            image_build.ensure_source(self.google, self._call(resource), self.files)

    def _image(self, resource: PlannedResource) -> None:
        package = f"{self.place.repository(self._repository_name())}/packages/{self.journal.ref.label}"

        def make() -> str:
            if self._digest() is None:
                image_build.build(self.google, self._call(resource), self.place.project, self.journal.ref.label)
            return package

        self.record.through(IMAGES, self.journal.ref.label, self.place.detail, make)
        self.values[DIGEST] = image_build.require(self._digest(), self.journal.ref.label)

    def _weights_access(self, resource: PlannedResource) -> None:
        name = self._name(resource)
        thing, (role, member) = Guarded("storage", f"/storage/v1/b/{name}"), _binding(self._call(resource))
        if any(one.kind == surroundings.WEIGHTS_BUCKET for one in self.plan.resources):
            allow(self.google, thing, role, member)
        elif not is_allowed(self.google, thing, role, member):
            # Journaled only where it is added: what was there before us stays when we go.
            detail = {**self.place.detail, "role": role, "member": member}

            def make() -> str:
                allow(self.google, thing, role, member)
                return f"projects/_/buckets/{name}"

            self.record.through(resource.kind, name, detail, make)

    def _service(self, resource: PlannedResource) -> None:
        mark = fingerprint(cast("Json", resource.body["json"]), self.values, self.versions)
        ttl_s = resource.body.get("ttl_s")
        expiry = {} if ttl_s is None else {EXPIRES_AT: f"{self.google.context.now() + cast('float', ttl_s):.0f}"}
        wanted = cast("Json", self._call(resource, expiry)["json"])

        def make() -> str:
            return bring_up(self.google, self.place, self.journal.ref, pinned(wanted, self.versions), mark)

        self._through(resource, make)

    def _invoker(self, resource: PlannedResource) -> None:
        allow(self.google, self._callers(), *_binding(self._call(resource)))

    def _callers(self) -> Guarded:
        return Guarded(RUN, self.place.service(self.journal.ref.label))

    def _digest(self) -> str | None:
        return image_build.digest(
            self.google, self.place.repository(self._repository_name()), self.journal.ref.label, self.values[CONTEXT]
        )

    def _repository_name(self) -> str:
        return next(one.name for one in self.plan.resources if one.kind == surroundings.REPOSITORY)

    def _through(self, resource: PlannedResource, make: Callable[[], str]) -> None:
        self.record.through(resource.kind, self._name(resource), self.place.detail, make)

    def _name(self, resource: PlannedResource) -> str:
        return cast("str", fill(resource.name, self.values))

    def _call(self, resource: PlannedResource, more: Mapping[str, str] | None = None) -> Json:
        return cast("Json", fill(resource.body, {**self.values, **(more or {})}))


def _project_of(plan: Plan) -> str | None:
    """Return the project that the plan names; None where it has a placeholder for it."""
    project = plan.place.partition("/")[0]
    return None if names_in(project) else project


def _binding(call: Json) -> tuple[str, str]:
    policy: Any = call["json"].get("policy", call["json"])
    (binding,) = policy["bindings"]
    return binding["role"], binding["members"][0]

"""Cloud Run's services: what is asked of them is kept, and comes true when an instance answers its start-up probe."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import RLock
from uuid import uuid4

from tests.clouds.google.gateways import FrontDoor, Instance
from tests.clouds.google.image_apis import done, has_image
from tests.clouds.google.state import Books, Json, RefusedError, Request, Service
from tests.clouds.google.store_apis import page, value_of

GPU_REGIONS = {
    "nvidia-l4": {"asia-southeast1", "europe-west1", "europe-west4", "us-east4"},
    "nvidia-rtx-pro-6000": {"asia-southeast1", "europe-west4", "us-central1"},
}
_GIB = 2**30


@dataclass
class CloudRun:
    """All services with their instances."""

    books: Books
    now: Callable[[], float]
    runs_at_once: bool = True
    """Start an instance with each revision, as Google does; otherwise when somebody calls."""
    start_s: float = 0.0
    """How long a revision takes beyond its instance's own start, by the clock."""
    failure: Json | None = None
    """The condition in which revisions end from now on."""
    instances: dict[str, list[Instance]] = field(default_factory=dict)
    doors: dict[str, FrontDoor] = field(default_factory=dict)
    _lock: RLock = field(default_factory=RLock)

    def create(self, asked: Request) -> Json:
        """Make a service."""
        label = asked.one("serviceId")
        name = f"projects/{self.books.project}/locations/{asked.params['locationsId']}/services/{label}"
        with self._lock:
            if name in self.books.services:
                raise RefusedError(409, f"Resource '{label}' already exists.")
            self._judge(name, asked.json)
            born = datetime.fromtimestamp(self.now(), UTC).isoformat()
            one = Service(name, {**copy.deepcopy(asked.json), "createTime": born}, changed_at=self.now())
            self.books.services[name] = one
            self.doors[name] = FrontDoor(lambda: self._find_instance(one))
            self._begin_revision(one)
            return self._operation(one)

    def patch(self, asked: Request) -> Json:
        """Change the fields that the mask names."""
        with self._lock:
            one = self._service(asked)
            if asked.json.get("etag") not in (None, self._etag(one)):
                raise RefusedError(409, "the resource was changed meanwhile", status="ABORTED")
            fields = [part.partition(".")[0] for part in asked.one("updateMask").split(",") if part]
            wanted = {key: copy.deepcopy(asked.json[key]) for key in fields if key in asked.json}
            self._judge(one.name, {**one.body, **wanted})
            is_new = "template" in wanted and (
                wanted["template"] != one.body["template"] or asked.one("forceNewRevision") == "true"
            )
            one.body.update(wanted)
            one.generation += 1
            one.changed_at = self.now()
            if one.is_stopped:
                self.end_instances(one.name)
            if is_new:
                self._begin_revision(one)
            return self._operation(one)

    def get(self, asked: Request) -> Json:
        """Return one as it is now."""
        with self._lock:
            return self._shown(self._service(asked))

    def list_all(self, asked: Request) -> Json:
        """List those of a region."""
        if asked.params["locationsId"] == "-":
            raise RefusedError(400, 'Location cannot be the "-" wildcard')
        parent = f"projects/{self.books.project}/locations/{asked.params['locationsId']}/"
        with self._lock:
            every = [self._shown(one) for name, one in self.books.services.items() if name.startswith(parent)]
        return page(self.books, "services", every, asked)

    def delete(self, asked: Request) -> Json:
        """Delete one, its instances at once."""
        with self._lock:
            one = self._service(asked)
            self.remove(one.name)
            return self._operation(one)

    def remove(self, name: str) -> None:
        """Let a service go, whoever asked for it."""
        self.end_instances(name)
        self.doors.pop(name).close()
        self.books.policies.pop(name, None)
        del self.books.services[name]

    def end_instances(self, name: str, *, at_once: bool = False) -> None:
        """End all instances of a service, in order."""
        for instance in self.instances.pop(name, []):
            instance.end(at_once=at_once)

    def close(self) -> None:
        """End everything at once."""
        for name in list(self.instances):
            self.end_instances(name, at_once=True)
        for door in self.doors.values():
            door.close()

    def log(self, one: Service, text: str, at: float | None = None) -> None:
        """Let a service's container say something."""
        labels = {
            "service_name": one.label,
            "location": one.name.split("/")[3],
            "revision_name": one.revisions[-1] if one.revisions else "",
        }
        moment = datetime.fromtimestamp(self.now() if at is None else at, UTC)
        self.books.entries.append(
            {
                "logName": f"projects/{self.books.project}/logs/run.googleapis.com%2Fstdout",
                "resource": {"type": "cloud_run_revision", "labels": labels},
                "timestamp": moment.isoformat(timespec="microseconds").replace("+00:00", "Z"),
                "insertId": uuid4().hex,
                "textPayload": text,
            }
        )

    def _begin_revision(self, one: Service) -> None:
        one.revisions.append(f"{one.label}-{len(one.revisions) + 1:05d}-abc")
        one.condition = {"type": "Ready", "state": "CONDITION_RECONCILING", "message": "Deploying revision"}
        self.end_instances(one.name)
        problem = self.failure or self._problem(one)
        if problem is not None:
            one.condition = {"type": "Ready", "state": "CONDITION_FAILED", **problem}
        elif self.runs_at_once and not one.is_stopped:
            self._start(one)

    def _problem(self, one: Service) -> Json | None:
        container = one.body["template"]["containers"][0]
        if not has_image(self.books, container["image"]):
            return {"reason": "CONTAINER_MISSING", "message": f"Image '{container['image']}' not found."}
        try:
            self._environment(one)
        except LookupError as error:
            return {"reason": "SECRETS_ACCESS_CHECK_FAILED", "message": str(error)}
        for volume in one.body["template"].get("volumes", ()):
            if "gcs" in volume and volume["gcs"]["bucket"] not in self.books.buckets:
                return {"reason": "UNKNOWN", "message": f"bucket {volume['gcs']['bucket']} does not exist"}
        return None

    def _environment(self, one: Service) -> dict[str, str]:
        account = one.body["template"].get(
            "serviceAccount", f"{self.books.number}-compute@developer.gserviceaccount.com"
        )
        found = {variable["name"]: variable["value"] for variable in one.env if "value" in variable}
        for variable in one.env:
            if "valueSource" in variable:
                key = variable["valueSource"]["secretKeyRef"]
                found[variable["name"]] = value_of(self.books, key["secret"], key["version"], account)
        return found

    def _start(self, one: Service) -> Instance:
        instance = Instance(self._environment(one), lambda text: self.log(one, text))
        self.instances.setdefault(one.name, []).append(instance)
        return instance

    def _find_instance(self, one: Service) -> int | tuple[int, str]:
        """Return the port of an instance, started if need be; or why there is none."""
        with self._lock:
            if one.name not in self.books.services or one.is_stopped:
                return 503, "Service Unavailable"
            bindings = self.books.policies.get(one.name, {}).get("bindings", [])
            everyone = any("allUsers" in each["members"] for each in bindings if each["role"] == "roles/run.invoker")
            if not everyone and not one.body.get("invokerIamDisabled"):
                return 403, "Forbidden"
            alive = [each for each in self.instances.get(one.name, []) if each.is_alive]
            instance = alive[0] if alive else self._start(one)
        return instance.port if instance.wait_until_live() else (503, "Service Unavailable")

    def _settle(self, one: Service) -> None:
        """Let what was asked for come true, if it is time."""
        if one.condition["state"] == "CONDITION_RECONCILING" and self.now() - one.changed_at >= self.start_s:
            instances = self.instances.get(one.name, [])
            if not self.runs_at_once or one.is_stopped or any(each.is_live() for each in instances):
                one.condition = {"type": "Ready", "state": "CONDITION_SUCCEEDED"}
            elif not any(each.is_alive for each in instances):
                words = "The user-provided container failed to start and listen on the port defined by PORT=8998"
                reason = {"revisionReason": "HEALTH_CHECK_CONTAINER_ERROR", "message": words}
                one.condition = {"type": "Ready", "state": "CONDITION_FAILED", **reason}
        if one.condition["state"] != "CONDITION_RECONCILING":
            one.observed = one.generation

    def _shown(self, one: Service) -> Json:
        self._settle(one)
        return {
            "name": one.name,
            **one.body,
            "generation": str(one.generation),
            "observedGeneration": str(one.observed),
            "reconciling": one.observed != one.generation,
            "terminalCondition": one.condition,
            "updateTime": datetime.fromtimestamp(one.changed_at, UTC).isoformat(),
            "uri": self.doors[one.name].url,
            "urls": [self.doors[one.name].url],
            "latestCreatedRevision": one.revisions[-1],
            "etag": self._etag(one),
        }

    def _etag(self, one: Service) -> str:
        return f'"{one.generation}"'

    def _operation(self, one: Service) -> Json:
        operation = done(self.books)
        name = operation["name"]
        regional = f"{one.name.partition('/services/')[0]}/{name}"
        self.books.operations[name]["name"] = regional
        return {**operation, "name": regional}

    def _judge(self, name: str, body: Json) -> None:
        """Refuse what Google refuses at once: a GPU that the region does not have, and more than the quotas."""
        region, template = name.split("/")[3], body["template"]
        gpu = template.get("nodeSelector", {}).get("accelerator")
        if gpu is not None and region not in GPU_REGIONS[gpu]:
            raise RefusedError(400, f"accelerator {gpu} is not supported in region {region}")
        used = {"MemAllocPerProjectRegion": 0.0, "CpuAllocPerProjectRegion": 0.0}
        others = [one.body["template"] for key, one in self.books.services.items() if key != name]
        for one in [template, *others]:
            most = one["scaling"]["maxInstanceCount"]
            limits = one["containers"][0]["resources"]["limits"]
            used["MemAllocPerProjectRegion"] += most * int(limits["memory"].removesuffix("Gi")) * _GIB
            used["CpuAllocPerProjectRegion"] += most * int(limits["cpu"]) * 1000
        for kind, amount in used.items():
            if amount > self.books.quotas[kind]:
                words = f"{kind} requested: {amount:.0f} allowed: {self.books.quotas[kind]}"
                raise RefusedError(400, f"Max instances must be set to 0 or fewer. Quota violated: {words}")

    def _service(self, asked: Request) -> Service:
        place = f"projects/{self.books.project}/locations/{asked.params['locationsId']}"
        name = f"{place}/services/{asked.params['servicesId']}"
        if name not in self.books.services:
            raise RefusedError(404, f"Resource '{asked.params['servicesId']}' of kind 'SERVICE' does not exist.")
        return self.books.services[name]

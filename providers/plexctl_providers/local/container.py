"""A deployment as a container of this machine's engine: the steps that make, find and end it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from plexctl.contract import Context, DeploymentJournal
from plexctl.errors import ConflictError, NotFoundError, PlexError
from plexctl.images.engine import Engine, engine_address, is_on_this_machine
from plexctl.images.engine_containers import PAUSED, Containers, Found, state_of
from plexctl.model import (
    MANAGED_BY,
    Deployment,
    Endpoint,
    Finding,
    Level,
    LogLine,
    Offer,
    Plan,
    Ref,
    Removal,
    Resource,
    Status,
)
from plexctl.spec import Spec
from plexctl.states import State
from plexctl_providers._common.placeholders import EXPIRES_AT, ID, names_in
from plexctl_providers._common.settings import PERSONAPLEX, choose_engine
from plexctl_providers.local import container_requests as requests
from plexctl_providers.local import process
from plexctl_providers.local.container_states import ENDED, status_of
from plexctl_providers.local.loglines import since_filter
from plexctl_providers.local.settings import FIRST_PORT, HOST, LAST_WORDS, STOP_GRACE_S, endpoint_on, secrets_of

_PORTS_TRIED = 20
"""Starts that may meet a port which somebody took a moment before."""
_ALIVE = ("running", "restarting")


class ContainerRuntime:
    """Runs the gateway in a container that only this machine's loopback reaches; survives the CLI."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def preflight(self, spec: Spec, offer: Offer) -> list[Finding]:
        """Find the engine and say which. Raises the errors of `Engine.connect`."""
        with Engine.connect(self._context.environment) as engine:
            findings = [_check_place(engine), *requests.check(spec, offer)]
            if choose_engine(spec, offer) == PERSONAPLEX and not engine.knows_gpus():
                words = f"{engine.name} has no NVIDIA runtime or device: the container will see no GPU"
                fix = "install the NVIDIA Container Toolkit and run `nvidia-ctk runtime configure`"
                findings.append(Finding("container-gpu", Level.WARN, words, fix))
        return findings

    def status(self, ref: Ref) -> Status:
        """Say what the engine says of the container, and the gateway's own last words when it has ended."""
        with self._containers() as containers:
            found = containers.container(ref.label)
            if found is None:
                return Status(State.MISSING, None, f"{containers.engine.name} has no such container")
            is_over = state_of(found) in ENDED
            last = list(containers.log_lines(ref.label, follow=False, tail=LAST_WORDS)) if is_over else []
        return status_of(found, last, _endpoint(found))

    def logs(self, ref: Ref, *, follow: bool, since: float | None, tail: int | None) -> Iterator[LogLine]:
        """Read what the container printed; with `follow`, go on until it ends."""
        with self._containers() as containers:
            yield from since_filter(containers.log_lines(ref.label, follow=follow, tail=tail), since)

    def find(self) -> list[Ref]:
        """Find containers and networks of deployments by their labels.

        Empty where there is no engine that we may use: what was made there is asked for by its record.
        """
        try:
            engine_address(self._context.environment)  # first, since it costs nothing where there is no engine
            with self._containers() as containers:
                networks = {str(one["Name"]): one for one in containers.networks_labelled(*MANAGED_BY)}
                found = {str(one["Name"]).lstrip("/"): one for one in containers.labelled(*MANAGED_BY)}
        except PlexError:
            return []
        refs = []
        for name in networks | found:
            network, container = networks.get(name), found.get(name)
            labels = requests.labels_of(container or network or {})
            if requests.NAME in labels and requests.ID_LABEL in labels:
                made = _resources(network, container)
                refs.append(Ref("local", labels[requests.NAME], labels[requests.ID_LABEL], made))
        return refs

    def apply(self, plan: Plan, journal: DeploymentJournal) -> Deployment:
        """Start the container, or adopt the one that runs."""
        with self._containers() as containers:
            return self._apply(containers, plan, journal)

    def _apply(self, containers: Containers, plan: Plan, journal: DeploymentJournal) -> Deployment:
        ref = journal.ref
        planned = requests.container_of(plan)
        _require_image(containers.engine, str(planned.body["Image"]))
        found = _ours(containers.container(ref.label), ref)
        if found is not None and state_of(found) == PAUSED:
            containers.wake(ref.label)
            return _adopted(found, containers, journal, changed=True)
        if found is not None and state_of(found) in _ALIVE:
            return _adopted(found, containers, journal, changed=False)
        values = {ID: ref.id} | self._expiry(plan)
        for resource in plan.resources:
            if resource.kind == requests.NETWORK:
                key = journal.intend(requests.NETWORK, ref.label)
                body = requests.api_body(resource, values)
                journal.created(key, containers.ensure_network(ref.label, body))
            elif resource.kind == requests.VOLUME:
                containers.ensure_volume(resource.name, requests.api_body(resource, values))
        port = self._start(containers, plan, journal, values)
        endpoint = endpoint_on(port)
        journal.reached(endpoint)
        return Deployment(journal.ref, endpoint)

    def stop(self, ref: Ref) -> None:
        """End the container in order; read back."""
        with self._containers() as containers:
            containers.stop(ref.label, STOP_GRACE_S)

    def destroy(self, ref: Ref) -> Removal:
        """Remove container and network, and read back; the weights' volume stays, since deployments share it."""
        with self._containers() as containers:
            there = _resources(containers.network(ref.label), containers.container(ref.label))
            containers.stop(ref.label, STOP_GRACE_S)
            containers.remove_container(ref.label)
            containers.remove_network(ref.label)
            has_volume = containers.volume(requests.WEIGHTS) is not None
        return Removal(tuple(there), (requests.KEPT_WEIGHTS,) if has_volume else ())

    def _start(self, containers: Containers, plan: Plan, journal: DeploymentJournal, values: Mapping[str, str]) -> int:
        """Make the container and start it: on the port asked for, or on the first that nobody has, or takes first."""
        asked, ref = requests.asked_port(plan), journal.ref
        secrets = secrets_of(plan, self._context.secrets)
        taken: ConflictError | None = None
        for port in _ports(asked, _port_before(containers, ref)):
            filled = {**values, requests.HOST_PORT: str(port)}
            body = requests.create_body(requests.container_of(plan), filled, secrets)
            key = journal.intend(requests.CONTAINER, ref.label, {"port": str(port)})
            found = _ours(containers.container(ref.label), ref)
            if found is not None and not requests.is_as_wanted(found, body):
                containers.remove_container(ref.label)
            journal.created(key, containers.create(ref.label, body))
            try:
                containers.start(ref.label)
            except ConflictError as error:
                taken = error
                continue
            return port
        raise taken or ConflictError(f"no port of {HOST} is free")

    def _expiry(self, plan: Plan) -> dict[str, str]:
        ttl_s = requests.ttl_of(plan)
        return {} if ttl_s is None else {EXPIRES_AT: f"{self._context.now() + ttl_s:.0f}"}

    @contextmanager
    def _containers(self) -> Iterator[Containers]:
        with Engine.connect(self._context.environment) as engine:
            yield Containers(engine)


def _check_place(engine: Engine) -> Finding:
    if is_on_this_machine(engine.address):
        return Finding("container-engine", Level.OK, f"{engine.name} at {engine.address}")
    words = f"the container engine at {engine.address} is another machine's: its loopback cannot be reached"
    return Finding("container-engine", Level.FAIL, words, "unset DOCKER_HOST, or use --provider ssh")


def _require_image(engine: Engine, image: str) -> None:
    if names_in(image) or engine.image(image) is None:
        named = "no image is named" if names_in(image) else f"{engine.name} does not have the image {image}"
        raise NotFoundError(named, hint="`plexctl deploy` builds or pulls it; `plexctl image build` builds it alone")


def _ours(found: Found | None, ref: Ref) -> Found | None:
    """Return the container that was found. Raises ConflictError when its labels do not say that it is this one's."""
    if found is not None and requests.labels_of(found).get(requests.ID_LABEL) != ref.id:
        raise ConflictError(
            f"a container named {ref.label} is not plexctl's", hint="rename it, or choose another --name"
        )
    return found


def _adopted(found: Found, containers: Containers, journal: DeploymentJournal, *, changed: bool) -> Deployment:
    """Record what runs already, as if it had just been made."""
    label = journal.ref.label
    for resource in _resources(containers.network(label), found):
        journal.created(journal.intend(resource.kind, label, resource.detail), str(resource.id), resource.detail)
    endpoint = _endpoint(found)
    if endpoint is None:
        raise ConflictError(f"the container {label} publishes no port", hint="destroy it, and deploy again")
    journal.reached(endpoint)
    return Deployment(journal.ref, endpoint, changed)


def _resources(network: Found | None, container: Found | None) -> tuple[Resource, ...]:
    made = []
    if network is not None:
        made.append(Resource(requests.NETWORK, str(network["Name"]), str(network["Id"])))
    if container is not None:
        port = requests.port_of(container)
        detail = {} if port is None else {"port": str(port)}
        made.append(Resource(requests.CONTAINER, str(container["Name"]).lstrip("/"), str(container["Id"]), detail))
    return tuple(made)


def _endpoint(found: Found) -> Endpoint | None:
    port = requests.port_of(found)
    return None if port is None else endpoint_on(port)


def _port_before(containers: Containers, ref: Ref) -> int | None:
    """Return the port that the deployment had: its container's, or as recorded."""
    found, recorded = containers.container(ref.label), ref.first(requests.CONTAINER)
    port = requests.port_of(found) if found is not None else None
    said = recorded.detail.get("port", "") if recorded else ""
    return port or (int(said) if said.isdigit() else None)


def _ports(asked: int | None, before: int | None) -> Iterator[int]:
    """Yield the ports to try: the one asked for alone, or those that are free, from where it was before."""
    if asked is not None:
        yield asked
        return
    first = before or FIRST_PORT
    for _ in range(_PORTS_TRIED):
        with process.listen(None, first) as listener:
            port = int(listener.getsockname()[1])
        yield port
        first = port + 1

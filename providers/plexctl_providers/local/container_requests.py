"""What is sent to the container engine of this machine: network, volume, container, as its API takes them. No I/O.

Field names are those of the Docker Engine API 1.41 (NetworkCreate, VolumeCreate, ContainerCreate), which Podman speaks
too. Secrets, the deployment's id and the port on the host are placeholders here; `create_body` puts them in.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, cast

from plexctl.images import CACHE, PORT
from plexctl.model import KEEP, MANAGED_BY, Finding, Kept, Level, Offer, Plan, PlannedResource, Step
from plexctl.secret import Secret
from plexctl.spec import Spec
from plexctl_providers._common.offers import check_image, image_of
from plexctl_providers._common.placeholders import EXPIRES_AT, fill, placeholder
from plexctl_providers._common.settings import ECHO, PERSONAPLEX, choose_engine, label, labels, remote_settings
from plexctl_providers.local.settings import HOST, STOP_GRACE_S, check_echo, revealed, where_from

NETWORK, CONTAINER, VOLUME = "network", "container", "volume"
"""Kinds of resources; the volume is shared by deployments and is none of a deployment's own."""
WEIGHTS = "plexctl-weights"
_FORGET = f"docker volume rm {WEIGHTS}"
"""The same with podman for docker."""
KEPT_WEIGHTS = Kept("volume", WEIGHTS, f"shared by deployments: `{_FORGET}` removes it")
HOST_PORT = "PLEXCTL_HOST_PORT"
"""Placeholder of the port on this machine, where none was asked for."""
RECIPE = "plexctl-recipe"
"""Label with the hash of what a container was made from, secrets and times left out."""
_INSIDE = f"{PORT}/tcp"
NAME, ID_LABEL = "plexctl-name", "plexctl-id"
"""Labels of `_common.settings.labels` by which a deployment is found again."""
_NOT_SENT = ("method", "path", "ttl_s", "Env")
"""Keys of a planned body that are for a reader, or are put in apart."""


def build_plan(spec: Spec, offer: Offer) -> Plan:
    """Lay out the network, the container and, where there are weights, the volume that keeps them."""
    engine = choose_engine(spec, offer)
    volume = (PlannedResource(VOLUME, WEIGHTS, _volume_body()),) if engine == PERSONAPLEX else ()
    kept = (Step(KEEP, f"volume {WEIGHTS}", KEPT_WEIGHTS.why),)
    return Plan(
        provider="local",
        deployment=spec.name,
        offer=offer,
        steps=(
            Step("find", "image", spec.image.name or "of this plexctl's own files; built when there is none"),
            Step("create", "network", "a bridge of its own"),
            *(kept if volume else ()),
            Step("create", "container", f"published on {where_from(spec)} only"),
            Step("start", "engine", engine),
        ),
        resources=(
            PlannedResource(NETWORK, label(spec), _network_body(spec)),
            *volume,
            PlannedResource(CONTAINER, label(spec), _container_body(spec, engine)),
        ),
        secrets=spec.secrets,
    )


def check(spec: Spec, offer: Offer) -> list[Finding]:
    """Say what a reader must know before it is deployed: the engine, the image, and who can read its secrets."""
    found = [_check_engine(spec, offer)]
    if spec.image.name is not None:
        found += check_image(spec)
    if spec.secrets:
        words = f"whoever may use the container engine can read {', '.join(spec.secrets)} of the container's settings"
        found.append(Finding("secrets", Level.WARN, words, "let nobody else use it: that right is as good as root"))
    return found


def create_body(planned: PlannedResource, values: Mapping[str, str], secrets: Mapping[str, Secret]) -> dict[str, Any]:
    """Return the body of the container's create call. The only place where its secrets are in the clear.

    `values` fills the placeholders `PLEXCTL_ID`, `PLEXCTL_HOST_PORT` and, where there is a lifetime,
    `PLEXCTL_EXPIRES_AT`. Raises what `revealed` raises.
    """
    body = api_body(planned, values)
    environment = dict(entry.split("=", 1) for entry in cast("list[str]", planned.body["Env"]))
    if EXPIRES_AT in environment:
        environment[EXPIRES_AT] = values[EXPIRES_AT]
    body["Env"] = _listed(revealed(environment, secrets))
    body["Labels"] = {**body["Labels"], RECIPE: recipe_of(planned)}
    return body


def api_body(planned: PlannedResource, values: Mapping[str, str]) -> dict[str, Any]:
    """Return a resource's body as the engine's API takes it; the environment, which may hold anything, is left out."""
    kept = {key: value for key, value in planned.body.items() if key not in _NOT_SENT}
    return cast("dict[str, Any]", fill(kept, values))


def recipe_of(planned: PlannedResource) -> str:
    """Return the hash of a planned container: two with the same one differ in id, port, lifetime and secrets only."""
    return hashlib.sha256(json.dumps(dict(planned.body), sort_keys=True).encode()).hexdigest()


def is_as_wanted(found: Mapping[str, Any], body: Mapping[str, Any]) -> bool:
    """Tell whether a container that was found is what `body` would make: the same recipe, settings and port."""
    same_recipe = labels_of(found).get(RECIPE) == body["Labels"][RECIPE]
    environment = set((found.get("Config") or {}).get("Env") or ())
    wanted_port = body["HostConfig"]["PortBindings"][_INSIDE][0]["HostPort"]
    return same_recipe and set(body["Env"]) <= environment and port_of(found) == int(wanted_port)


def port_of(found: Mapping[str, Any]) -> int | None:
    """Return the port on this machine of a container that was found."""
    bindings = ((found.get("HostConfig") or {}).get("PortBindings") or {}).get(_INSIDE) or []
    port = str(bindings[0].get("HostPort", "")) if bindings else ""
    return int(port) if port.isdigit() else None


def asked_port(plan: Plan) -> int | None:
    """Return the port that was asked for, None when any will do."""
    bindings = cast("dict[str, Any]", container_of(plan).body["HostConfig"])["PortBindings"]
    port = str(bindings[_INSIDE][0]["HostPort"])
    return int(port) if port.isdigit() else None


def ttl_of(plan: Plan) -> float | None:
    """Return how long the container lives, in seconds; None for ever."""
    return cast("float | None", container_of(plan).body["ttl_s"])


def labels_of(found: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the labels of a container or a network that was found."""
    labels = (found.get("Config") or found).get("Labels")
    return cast("Mapping[str, str]", labels or {})


def container_of(plan: Plan) -> PlannedResource:
    """Return the plan's container."""
    return next(one for one in plan.resources if one.kind == CONTAINER)


def is_container_plan(plan: Plan) -> bool:
    """Tell whether a plan is for a container."""
    return any(one.kind == CONTAINER for one in plan.resources)


def _network_body(spec: Spec) -> dict[str, object]:
    return {
        "method": "POST",
        "path": "/networks/create",
        "Name": label(spec),
        "Driver": "bridge",
        "Labels": labels(spec),
    }


def _volume_body() -> dict[str, object]:
    return {
        "method": "POST",
        "path": "/volumes/create",
        "Name": WEIGHTS,
        "Labels": {MANAGED_BY[0]: MANAGED_BY[1]},
    }


def _container_body(spec: Spec, engine: str) -> dict[str, object]:
    own = {"PLEXCTL_PUBLISHED_ON": HOST}
    environment = own | remote_settings(spec, engine) | {name: placeholder(name) for name in spec.secrets}
    return {
        "method": "POST",
        "path": f"/containers/create?name={label(spec)}",
        "ttl_s": spec.limits.ttl_s,
        "Image": image_of(spec),
        "Env": _listed(environment),
        "ExposedPorts": {_INSIDE: {}},
        "Labels": labels(spec),
        "StopTimeout": STOP_GRACE_S,
        "HostConfig": _host_config(spec, engine),
    }


def _host_config(spec: Spec, engine: str) -> dict[str, object]:
    """Return how the container is kept in: nothing to write but /tmp and the cache, no rights, no restart."""
    port = str(spec.gateway.port) if spec.gateway.port else placeholder(HOST_PORT)
    with_gpu: dict[str, object] = {
        "Mounts": [{"Type": "volume", "Source": WEIGHTS, "Target": CACHE}],
        # Engines take this and ignore it where there is no GPU: the gateway looks inside, and says so.
        "DeviceRequests": [{"Driver": "", "Count": -1, "Capabilities": [["gpu"]]}],
    }
    return {
        "PortBindings": {_INSIDE: [{"HostIp": HOST, "HostPort": port}]},
        "NetworkMode": label(spec),
        "RestartPolicy": {"Name": "no"},
        "ReadonlyRootfs": True,
        # The home of whoever runs it; `exec` for what torch compiles there.
        "Tmpfs": {"/tmp": "rw,exec,nosuid,nodev,mode=1777"},  # noqa: S108 - inside the container
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges"],
        **(with_gpu if engine == PERSONAPLEX else {}),
    }


def _check_engine(spec: Spec, offer: Offer) -> Finding:
    if choose_engine(spec, offer) == ECHO:
        return check_echo(spec)
    gpu = offer.gpu or "a GPU that nobody sees from here"
    words = f"personaplex on {gpu}, looked at from inside the container; its weights stay in the volume {WEIGHTS}"
    fix = f"`{_FORGET}` removes them when no deployment uses them"
    return Finding("engine", Level.OK if offer.gpu else Level.WARN, words, fix)


def _listed(environment: Mapping[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in sorted(environment.items())]

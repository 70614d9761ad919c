"""The Modal app of a deployment as data: keyword arguments of the public calls of modal 1.6.3 and newer.

The rendered `modal_app.py` is written from this and nothing else, so that what is read is what is deployed.
Unverified without an account: the longest `timeout` that Modal takes, and that a health check never outlives its slot
long enough for the autoscaler to see it.
"""

from __future__ import annotations

import math

from msgspec import structs

from plexctl.images import CACHE, PORT
from plexctl.model import Offer
from plexctl.spec import Spec
from plexctl_providers._common.offers import gpu_of, profile_for
from plexctl_providers._common.settings import ECHO, choose_engine, label, labels, remote_settings, secret_names

CLASS = "PersonaPlex"
FETCH = "fetch_weights"
LONGEST_SESSION_S = 86_400
"""A day: the longest `timeout` that Modal's guide names; from memory, not verified (the client takes any)."""
DEFAULT_SESSION_S = 3600
"""What a conversation may last when the spec says nothing: the platform must not be the one that cuts it."""
_MARGIN_S = 300
"""From the gateway's own end of a conversation to Modal's: the handshake comes before, the goodbye after."""
_BESIDE_CALLERS = 9
"""Places of a container for health checks, page loads and log readers while its callers talk."""
_LISTENING_S = 120
"""`web_server` waits for the port, which the gateway opens at once; the default of 5 s is short for a cold disk."""
_CONTAINER_S = 900
"""Attaching a GPU and a volume of 17 GB comes before the first line of ours."""
_FETCH_S = 3600
"""17 GB at 5 MB/s."""
_GIB_IN_MIB = 1024


def session_s(spec: Spec) -> float:
    """Return how long the gateway lets a conversation last, in seconds."""
    return spec.gateway.max_session_s or DEFAULT_SESSION_S


def target_inputs(spec: Spec) -> int:
    """Return how many callers one container serves: one an engine."""
    return spec.gateway.engines if isinstance(spec.gateway.engines, int) else 1


def app_body(spec: Spec, offer: Offer) -> dict[str, object]:
    """Return the app: image, class, concurrency and web server."""
    engine = choose_engine(spec, offer)
    callers = target_inputs(spec)
    return {
        "call": "modal.App.deploy",
        "name": label(spec),
        "tags": labels(spec),
        **_inside(spec, offer, engine),
        "ttl_s": spec.limits.ttl_s,
        "cls": {"name": CLASS, **_container(spec, offer, engine)},
        "concurrent": {"max_inputs": callers + _BESIDE_CALLERS, "target_inputs": callers},
        "web_server": {"port": PORT, "startup_timeout": _LISTENING_S},
    }


def fetch_body(spec: Spec, offer: Offer) -> dict[str, object]:
    """Return the app that fills the volume and is there while it does: in the other, containers with GPUs may be up."""
    return {
        "call": "modal.App.run",
        "name": f"{label(spec)}-fetch",
        "tags": labels(spec),
        **_inside(spec, offer, choose_engine(spec, offer)),
        "function": {"name": FETCH, "cpu": 2.0, "memory": 2 * _GIB_IN_MIB, "timeout": _FETCH_S},
    }


def _inside(spec: Spec, offer: Offer, engine: str) -> dict[str, object]:
    """Return what is the same in every container of a deployment."""
    return {
        **environment(spec),
        "image": _image(spec, offer),
        "secrets": [label(spec)],
        "required_keys": list(secret_names(spec, engine)),
        "volumes": {} if engine == ECHO else {CACHE: spec.modal.volume},
        "env": _settings(spec, engine),
    }


def gpus(spec: Spec, offer: Offer) -> list[str]:
    """Return the GPUs to take, in the order of preference, as Modal calls them; empty for the echo engine."""
    first = gpu_of(offer)
    if choose_engine(spec, offer) == ECHO or first is None:
        return []
    names = dict.fromkeys((first, *spec.modal.gpu_fallbacks))
    return [f"{name}:{offer.count}" if offer.count > 1 and ":" not in name else name for name in names]


def environment(spec: Spec) -> dict[str, object]:
    """Return the keyword for Modal's environment; none leaves the choice to the profile."""
    return {} if spec.modal.environment is None else {"environment_name": spec.modal.environment}


def _image(spec: Spec, offer: Offer) -> dict[str, object]:
    """Return what the image's build context is made from: the image that is given, or a profile and its base."""
    call = {"call": "modal.Image.from_dockerfile", "path": "image/Dockerfile", "context_dir": "image"}
    if spec.image.name is not None:
        return {**call, "tag": spec.image.name, "templates": spec.templates.folder}
    base = {} if spec.image.base is None else {"base": spec.image.base}
    return {**call, "profile": profile_for(spec, offer).name, **base, "templates": spec.templates.folder}


def _settings(spec: Spec, engine: str) -> dict[str, str]:
    """Return the gateway's settings: conversations end by its clock, containers by Modal's."""
    gateway = structs.replace(spec.gateway, max_session_s=session_s(spec), idle_timeout_s=None)
    return remote_settings(structs.replace(spec, gateway=gateway), engine)


def cpu_cores(engine: str) -> float:
    """Return the cores that are kept for a container; what is kept is billed at least."""
    return 0.5 if engine == ECHO else 2.0


def memory_mib(engine: str) -> int:
    """Return the memory that is kept for a container, in MiB; what is kept is billed at least."""
    return 512 if engine == ECHO else 8 * _GIB_IN_MIB


def _container(spec: Spec, offer: Offer, engine: str) -> dict[str, object]:
    """Return the class's own keywords. `cpu` in cores, `memory` in MiB: what is kept for it, not a limit.

    8 GiB: 1.4 GiB of the engine's memory were its own, the rest the checkpoint's pages, which can go (measured on one
    H200, docs/gpus.md).
    """
    asked: dict[str, object] = {
        "gpu": gpus(spec, offer) or None,
        "cpu": cpu_cores(engine),
        "memory": memory_mib(engine),
        "region": list(spec.modal.regions) or None,
    }
    return {name: value for name, value in asked.items() if value is not None} | {
        "min_containers": spec.modal.min_containers,
        "max_containers": spec.modal.max_containers,
        "scaledown_window": spec.modal.scaledown_window_s,
        "timeout": math.ceil(session_s(spec)) + _MARGIN_S,
        "startup_timeout": _CONTAINER_S,
    }

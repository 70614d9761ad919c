"""What is sent to Vast.ai to search for an offer and to rent it. No I/O.

Sources: api-reference/openapi.yaml of vast-ai/docs at c624622, and what vast-ai/vast-cli at 5567983 really sends, which
differ: `env` is an object, `type` is "on-demand", paths end with a slash, GPU names have blanks.
"""

from __future__ import annotations

from math import ceil

from plexctl.gpus import PERSONAPLEX_7B, budget, matching
from plexctl.images import PORT, Profile
from plexctl.model import Need, Offer
from plexctl.spec import Spec
from plexctl_providers._common.offers import gpu_of, image_of, profile_for
from plexctl_providers._common.placeholders import placeholder
from plexctl_providers._common.settings import ECHO, choose_engine, label, remote_settings, secret_names

API = "https://console.vast.ai"
BUNDLES = "/api/v0/bundles/"
INSTANCES = "/api/v1/instances/"
LOGS = "/api/v0/instances/request_logs/"
ASK_ID = "VAST_ASK_ID"
"""The offer that is rented, where the plan's own offer does not say: the search's first."""
INSTANCE_ID = "VAST_INSTANCE_ID"
"""What Vast will call the instance (`new_contract`)."""

_MOST_OFFERS = 64
_COMFORTABLE_GB = 24
_COMFORTABLE_MB = 23_500
"""What cards of 24 GB report at least; an RTX A5000 says 24,564 in Vast's own example."""
_MB_PER_GIB = 1024
_FIRST_BF16, _FIRST_BLACKWELL = 800, 1000
"""Compute capability, times a hundred as Vast writes it."""
_CPU_ARCH = {"x86_64": "amd64", "aarch64": "arm64"}


def ask_path(offer: Offer) -> str:
    """Return where the offer is rented; its id a placeholder where a search has to say it."""
    return f"/api/v0/asks/{offer.detail.get('ask_id') or placeholder(ASK_ID)}/"


def offer_for(need: Need) -> Offer:
    """Return a need as an offer that nobody has made: the GPU and the region that it names."""
    return Offer("vast", need.gpu, 1, need.region, None, API, None)


def search_body(spec: Spec, offer: Offer) -> dict[str, object]:
    """Return the body of `POST /api/v0/bundles/`, the cheapest first. Raises PreflightError for an unfit GPU.

    Sizes are in MB (`gpu_ram`) and GB (`disk_space`), speeds in Mbit/s, durations in seconds.
    """
    wish, profile = spec.vast, profile_for(spec, offer)
    places = [offer.region] if offer.region else list(wish.countries)
    bid = wish.bid_usd_per_hour
    ask = offer.detail.get("ask_id")
    optional: dict[str, object] = {
        # One ask is looked for by its id: Vast has several names for the variants of one GPU.
        "id": {"eq": int(ask)} if ask else None,
        "gpu_name": {"eq": gpu_of(offer)} if offer.gpu and not ask else None,
        "cuda_max_good": {"gte": float(profile.cuda)} if profile.cuda else None,
        "geolocation": {"in": places} if places else None,
        "duration": {"gte": spec.limits.ttl_s} if spec.limits.ttl_s else None,
        "min_bid": {"lte": bid} if bid else None,
    }
    return {
        "type": "bid" if bid else "on-demand",
        # Left out, it would mean verified hosts only.
        "verified": {"eq": True} if wish.verified else {"in": [True, False]},
        "rentable": {"eq": True},
        "rented": {"eq": False},
        "external": {"eq": False},
        "num_gpus": {"eq": offer.count},
        "cpu_arch": {"eq": _CPU_ARCH[profile.machine]},
        "reliability": {"gte": wish.min_reliability},
        "inet_down": {"gte": wish.min_download_mbps},
        "direct_port_count": {"gte": 1},
        "disk_space": {"gte": wish.disk_gb},
        **_gpu_filters(spec, offer, profile),
        **{name: value for name, value in optional.items() if value is not None},
        "allocated_storage": wish.disk_gb,
        "order": [["dph_total", "asc"]],
        "limit": _MOST_OFFERS,
    }


def create_body(spec: Spec, offer: Offer) -> dict[str, object]:
    """Return the body of `PUT /api/v0/asks/<id>/`.

    `runtype` args keeps the image's own entrypoint; there is no ssh, no onstart script and no Jupyter. What stands here
    goes before what a template has; of that only the registry's credentials are wanted, which no body of ours carries.
    """
    optional = {"price": spec.vast.bid_usd_per_hour, "template_hash_id": spec.vast.template}
    body: dict[str, object] = {
        "image": image_of(spec),
        "label": label(spec),
        "disk": spec.vast.disk_gb,
        "runtype": "args",
        "target_state": "running",
        # Else Vast keeps, and bills, an instance that cannot start.
        "cancel_unavail": True,
        "env": environment(spec, offer),
    }
    return body | {name: value for name, value in optional.items() if value is not None}


def environment(spec: Spec, offer: Offer) -> dict[str, str]:
    """Return the instance's port and variables, which Vast takes together; secrets are placeholders."""
    engine = choose_engine(spec, offer)
    secrets = {name: placeholder(name) for name in secret_names(spec, engine)}
    return {f"-p {PORT}:{PORT}": "1"} | remote_settings(spec, engine) | _serving(spec) | secrets


def _serving(spec: Spec) -> dict[str, str]:
    """Return what the gateway does here that it does not elsewhere.

    The mapped port is a raw one, so that it serves TLS itself; and what has an end ends its own instance.
    """
    has_end = spec.limits.ttl_s is not None or spec.gateway.idle_timeout_s is not None
    return {"PLEXCTL_TLS": "self-signed"} | ({"PLEXCTL_SELF_DESTRUCT": "vast"} if has_end else {})


def _gpu_filters(spec: Spec, offer: Offer, profile: Profile) -> dict[str, object]:
    """Return what the GPU must have for the weights and for the image's torch; nothing for the echo engine."""
    if choose_engine(spec, offer) == ECHO:
        return {}
    known = next(iter(matching(offer.gpu, offer.provider)), None) if offer.gpu else None
    is_smaller = known is not None and known.vram_gib < _COMFORTABLE_GB
    memory_mb = ceil(budget(PERSONAPLEX_7B).needed * _MB_PER_GIB) if is_smaller else _COMFORTABLE_MB
    below = {"lt": _FIRST_BLACKWELL} if profile.name == "cu121" else {}
    return {"gpu_ram": {"gte": memory_mb}, "compute_cap": {"gte": _FIRST_BF16} | below}

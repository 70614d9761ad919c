"""What is sent to RunPod's REST v2 to make a pod. No I/O.

Source: `CreatePodRequest` of the OpenAPI description in runpod/docs, api-reference-v2 at a900806. A field that it does
not name is refused by the API.
"""

from __future__ import annotations

from urllib.parse import quote

from plexctl.images import CACHE, PORT
from plexctl.model import Offer
from plexctl.spec import Spec
from plexctl_providers._common.offers import gpu_of, image_of, profile_for
from plexctl_providers._common.placeholders import placeholder
from plexctl_providers._common.settings import ECHO, choose_engine, label, remote_settings, secret_names

API = "https://api.runpod.io"
PODS = "/v2/pods"
VOLUMES = "/v2/network-volumes"
REGISTRIES = "/v2/registries"
GPU_ID = "RUNPOD_GPU_ID"
"""RunPod's id of a GPU, where the offer names none."""
GPU_TYPE = "gpu_id"
"""In an offer's detail: RunPod's id of the GPU, since one GPU of ours may be several of theirs."""
POD_ID = "RUNPOD_POD_ID"
"""What RunPod will call the pod."""


def path_of(collection: str, identity: str) -> str:
    """Return the path of one thing, whatever its id has in it."""
    return f"{collection}/{quote(identity, safe='')}"


def pod_body(spec: Spec, offer: Offer) -> dict[str, object]:
    """Return the body of `POST /v2/pods`. Raises PreflightError for a GPU that no image can serve."""
    wish = spec.runpod
    optional = {
        "mounts": mounts(spec, offer),
        "dataCenterIds": data_centers(spec, offer),
        "registry": wish.registry,
    }
    return {
        "name": label(spec),
        "image": image_of(spec),
        "cloud": wish.cloud.upper(),
        "gpu": _gpu(spec, offer),
        "disk": wish.disk_gb,
        "ports": [f"{PORT}/{wish.expose}"],
        "env": environment(spec, offer),
    } | {name: value for name, value in optional.items() if value}


def environment(spec: Spec, offer: Offer) -> dict[str, str]:
    """Return the pod's variables; secrets refer to RunPod's own store, or are placeholders."""
    engine = choose_engine(spec, offer)
    secrets = {name: _secret(spec, name) for name in secret_names(spec, engine)}
    return remote_settings(spec, engine) | _ending(spec) | _exposing(spec) | secrets


def ends_itself(spec: Spec) -> bool:
    """Tell whether the gateway has an hour at which it ends its pod."""
    return spec.limits.ttl_s is not None or spec.gateway.idle_timeout_s is not None


def supplied_secrets(spec: Spec, offer: Offer) -> tuple[str, ...]:
    """Return the secrets whose values plexctl has to send: those that RunPod's store does not hold."""
    names = secret_names(spec, choose_engine(spec, offer))
    return tuple(name for name in names if name not in spec.runpod.console_secrets)


def data_centers(spec: Spec, offer: Offer) -> list[str]:
    """Return where the pod may run: the offer's own data centre, unless the spec names others; anywhere when empty.

    None for the community cloud: pinned there, every create failed for want of capacity (runpodctl#326).
    """
    if spec.runpod.cloud == "community":
        return []
    wished = spec.runpod.data_centers
    if offer.region and (not wished or offer.region in wished):
        return [offer.region]
    return list(wished)


def mounts(spec: Spec, offer: Offer) -> dict[str, object]:
    """Return the volume for the weights; none for the echo engine, which has none."""
    if choose_engine(spec, offer) == ECHO:
        return {}
    if spec.runpod.network_volume is not None:
        return {"network": [{"volumeId": spec.runpod.network_volume, "path": CACHE}]}
    return {"persistent": {"size": spec.runpod.volume_gb, "path": CACHE}}


def _ending(spec: Spec) -> dict[str, str]:
    """Let the gateway end its pod with the pod's own key, which RunPod puts into it; a stopped one would bill on."""
    return {"PLEXCTL_SELF_DESTRUCT": "runpod"} if ends_itself(spec) else {}


def _exposing(spec: Spec) -> dict[str, str]:
    """Let the gateway serve TLS on a raw port, with a certificate whose fingerprint stands in its log."""
    return {"PLEXCTL_TLS": "self-signed"} if spec.runpod.expose == "tcp" else {}


def _gpu(spec: Spec, offer: Offer) -> dict[str, object]:
    cuda = profile_for(spec, offer).cuda
    theirs = offer.detail.get(GPU_TYPE) or gpu_of(offer) or placeholder(GPU_ID)
    wanted: dict[str, object] = {"id": theirs, "count": offer.count}
    return wanted | ({} if cuda is None else {"minCudaVersion": cuda})


def _secret(spec: Spec, name: str) -> str:
    """Return the reference that RunPod resolves when the pod starts (pods/templates/secrets), or a placeholder."""
    return f"{{{{ RUNPOD_SECRET_{name} }}}}" if name in spec.runpod.console_secrets else placeholder(name)

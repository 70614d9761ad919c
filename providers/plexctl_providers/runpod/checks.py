"""What a spec lacks for RunPod, and what its reader must know before paying. No I/O."""

from __future__ import annotations

from plexctl.model import Finding, Level, Offer
from plexctl.spec import Spec
from plexctl_providers._common.checks import check_remote
from plexctl_providers._common.offers import check_image
from plexctl_providers._common.settings import ECHO, choose_engine, secret_names
from plexctl_providers.runpod.bodies import ends_itself, environment, supplied_secrets

MOST_VARIABLES = 50
"""Of a pod's environment: docs.runpod.io/pods/templates/environment-variables."""
_RUNPODS_OWN = ("RUNPOD_API_KEY", "RUNPOD_POD_ID")
_WEIGHTS_GB = 18
"""17.2 GB of `nvidia/personaplex-7b-v1`, rounded up."""


def check(spec: Spec, offer: Offer) -> list[Finding]:
    """Return everything that can be said of the spec without asking RunPod."""
    return [
        *check_remote(spec),
        *check_image(spec),
        *_gpu(offer),
        *_place(spec, offer),
        *_volume(spec, offer),
        _exposure(spec),
        *_secrets(spec, offer),
        *_runpods_own(spec),
        *_variables(spec, offer),
        _lifetime(spec),
    ]


def _gpu(offer: Offer) -> list[Finding]:
    if offer.gpu is not None:
        return []
    words = "no GPU is named, and RunPod takes exactly one kind, without a fallback"
    return [Finding("gpu", Level.FAIL, words, "name one with --gpu, such as RTX 4090")]


def _place(spec: Spec, offer: Offer) -> list[Finding]:
    wish = spec.runpod
    if wish.cloud != "community":
        return _elsewhere(spec, offer)
    found = []
    if wish.data_centers:
        words = f"the community cloud takes no data centres: {', '.join(wish.data_centers)} would not be asked for"
        fix = 'leave runpod.data_centers empty, or set runpod.cloud = "secure"'
        found.append(Finding("data-centers", Level.FAIL, words, fix))
    if wish.network_volume is not None:
        words = "network volumes are for the secure cloud only (docs.runpod.io/storage/network-volumes)"
        fix = 'leave runpod.network_volume out, or set runpod.cloud = "secure"'
        found.append(Finding("network-volume", Level.FAIL, words, fix))
    return found


def _elsewhere(spec: Spec, offer: Offer) -> list[Finding]:
    wished = spec.runpod.data_centers
    if not wished or offer.region in (None, *wished):
        return []
    words = f"the offer is in stock in {offer.region}; {', '.join(wished)} is asked for, by runpod.data_centers"
    return [Finding("data-centers", Level.WARN, words, f"add {offer.region} to runpod.data_centers")]


def _volume(spec: Spec, offer: Offer) -> list[Finding]:
    wish = spec.runpod
    if choose_engine(spec, offer) == ECHO:
        return []
    if wish.network_volume is not None:
        words = f"the network volume {wish.network_volume} fixes the pod's data centre, and bills until you delete it"
        return [Finding("network-volume", Level.OK, words)]
    if wish.volume_gb < _WEIGHTS_GB:
        words = f"a volume of {wish.volume_gb} GB cannot hold the weights, which take {_WEIGHTS_GB} GB"
        return [Finding("volume", Level.FAIL, words, "set runpod.volume_gb to 40")]
    words = f"the volume of {wish.volume_gb} GB is on the pod's own host: it bills while stopped and ends with the pod"
    return [Finding("volume", Level.OK, words)]


def _exposure(spec: Spec) -> Finding:
    if spec.runpod.expose == "http":
        words = (
            "RunPod's proxy closes connections after 100 s by its documentation; whether it does so to a conversation "
            "that carries sound all the time is unverified"
        )
        return Finding("exposure", Level.WARN, words, 'should calls end at 100 s, set runpod.expose = "tcp"')
    words = (
        "a TCP port has no TLS of its own: the gateway serves it, with a certificate made at its start. plexctl reads "
        "its fingerprint from the pod's log and pins it; address and port change with each start"
    )
    return Finding("exposure", Level.OK, words)


def _secrets(spec: Spec, offer: Offer) -> list[Finding]:
    needed = secret_names(spec, choose_engine(spec, offer))
    sent, kept = supplied_secrets(spec, offer), [name for name in spec.runpod.console_secrets if name in needed]
    found = []
    if sent:
        host = " and the owner of the host" if spec.runpod.cloud == "community" else ""
        words = (
            f"{', '.join(sent)} will stand in the pod's environment in the clear: every API key and member of the "
            f"account that may read pods{host} can read them"
        )
        fix = "set them as secrets in RunPod's console and name them in runpod.console_secrets"
        found.append(Finding("secrets", Level.WARN, words, fix))
    if kept:
        words = f"{', '.join(kept)} must be set in RunPod's console under these very names: plexctl cannot look there"
        found.append(Finding("console-secrets", Level.OK, words))
    return found


def _runpods_own(spec: Spec) -> list[Finding]:
    """Refuse to set what RunPod sets in each pod: its own key ends it, and the account's has no business there."""
    named = [name for name in _RUNPODS_OWN if name in spec.env or name in spec.secrets]
    if not named:
        return []
    words = f"RunPod sets {' and '.join(named)} in each pod itself, and the pod ends itself by them"
    return [Finding("env", Level.FAIL, words, f"leave {' and '.join(named)} out of env and secrets")]


def _variables(spec: Spec, offer: Offer) -> list[Finding]:
    count = len(environment(spec, offer))
    if count <= MOST_VARIABLES:
        return []
    words = f"a pod takes up to {MOST_VARIABLES} variables, and this one would have {count}"
    return [Finding("env", Level.FAIL, words, "shorten env")]


def _lifetime(spec: Spec) -> Finding:
    if not ends_itself(spec):
        words = "the pod runs and bills until it is destroyed: RunPod knows no idle pods"
        return Finding("lifetime", Level.WARN, words, "set limits.ttl_s or gateway.idle_timeout_s")
    words = (
        f"REST v2 has no lifetime (`terminateAfter` is not in its description): {_when(spec)} the gateway "
        "ends its pod with the key that RunPod puts into each pod. That v2 takes this key is not documented"
    )
    return Finding("lifetime", Level.WARN, words, "`plexctl gc --expired --delete` ends what is left all the same")


def _when(spec: Spec) -> str:
    ttl_s, idle_s = spec.limits.ttl_s, spec.gateway.idle_timeout_s
    times = ([f"after {ttl_s:g} s"] if ttl_s else []) + ([f"{idle_s:g} s after the last call"] if idle_s else [])
    return " or ".join(times)

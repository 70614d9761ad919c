"""What a spec lacks for Vast.ai, and what its reader must know before paying. No I/O."""

from __future__ import annotations

from plexctl.images import PORT
from plexctl.model import Finding, Level, Offer
from plexctl.spec import Spec
from plexctl_providers._common.checks import check_remote
from plexctl_providers._common.offers import check_image
from plexctl_providers._common.settings import ECHO, choose_engine, secret_names
from plexctl_providers.vast.bodies import create_body
from plexctl_providers.vast.limits import check_limits

_WEIGHTS_GB = 18
"""17.2 GB of `nvidia/personaplex-7b-v1`, rounded up."""


def check(spec: Spec, offer: Offer) -> list[Finding]:
    """Return everything that can be said of the spec without asking Vast."""
    return [
        *check_remote(spec),
        *check_image(spec),
        *check_limits(create_body(spec, offer)),
        *_disk(spec, offer),
        _exposure(),
        _secrets(spec, offer),
        _stopped(),
        *_bid(spec),
        _lifetime(spec),
    ]


def _disk(spec: Spec, offer: Offer) -> list[Finding]:
    if choose_engine(spec, offer) == ECHO or spec.vast.disk_gb >= _WEIGHTS_GB:
        return []
    words = f"a disk of {spec.vast.disk_gb} GB cannot hold the weights, which take {_WEIGHTS_GB} GB, and cannot grow"
    return [Finding("disk", Level.FAIL, words, "set vast.disk_gb to 60")]


def _exposure() -> Finding:
    words = (
        f"port {PORT} is mapped to another one of the host, without TLS, and the gateway does not serve TLS yet: that "
        "comes with the marketplace adapter. Until then token and voice cross the network in the clear"
    )
    return Finding("exposure", Level.WARN, words, "take RunPod, whose proxy has TLS, where that matters")


def _secrets(spec: Spec, offer: Offer) -> Finding:
    names = ", ".join(secret_names(spec, choose_engine(spec, offer)))
    words = f"{names} will stand in the instance's environment: the owner of the host and your account's keys read them"
    return Finding("secrets", Level.WARN, words, "use a Hub token that may only read this one model, and end it after")


def _stopped() -> Finding:
    return Finding("billing", Level.WARN, "a stopped instance bills its disk on", "`plexctl destroy` ends all of it")


def _bid(spec: Spec) -> list[Finding]:
    bid = spec.vast.bid_usd_per_hour
    if bid is None:
        return []
    words = f"interruptible at {bid:g} USD per hour: whoever bids more stops it in the middle of a call"
    return [Finding("bid", Level.WARN, words, "leave vast.bid_usd_per_hour out to rent on demand")]


def _lifetime(spec: Spec) -> Finding:
    if spec.limits.ttl_s is None:
        words = "the instance runs and bills until it is destroyed"
        return Finding("lifetime", Level.WARN, words, "set limits.ttl_s or gateway.idle_timeout_s")
    words = (
        f"Vast has no lifetime: the gateway ends after {spec.limits.ttl_s:g} s. The instance's own key may end the "
        "instance, which is unverified"
    )
    return Finding("lifetime", Level.WARN, words, "`plexctl destroy` ends what is left")

"""What a spec lacks for Vast.ai, and what its reader must know before paying. No I/O."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import structs

from plexctl.images import PORT
from plexctl.model import Finding, Level, Need, Offer
from plexctl.spec import Spec
from plexctl_providers._common.checks import check_remote
from plexctl_providers._common.offers import check_image
from plexctl_providers._common.settings import ECHO, PERSONAPLEX, choose_engine, secret_names
from plexctl_providers.vast.bodies import create_body, offer_for
from plexctl_providers.vast.limits import check_limits

_LITTLE_USD = 1.0
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


def check_create(spec: Spec) -> list[Finding]:
    """Hold against Vast's limits what can be held before there is an offer."""
    engine = spec.engine or PERSONAPLEX
    return check_limits(create_body(structs.replace(spec, engine=engine), offer_for(Need())))


def check_credit(user: Mapping[str, object]) -> list[Finding]:
    """Say what the account can pay; nothing where Vast does not tell. Amounts are USD."""
    credit = user.get("credit", user.get("balance"))
    if not isinstance(credit, int | float):
        return []
    if credit <= 0:
        words = f"the credit at Vast is {credit:.2f} USD: nothing can be rented, and what is stopped may be deleted"
        return [Finding("vast-credit", Level.FAIL, words, "add credit at https://cloud.vast.ai/billing/")]
    if credit < _LITTLE_USD:
        words = f"the credit at Vast is {credit:.2f} USD: when it is used up, instances are stopped"
        return [Finding("vast-credit", Level.WARN, words, "add credit at https://cloud.vast.ai/billing/")]
    return [Finding("vast-credit", Level.OK, f"the credit at Vast is {credit:.2f} USD")]


def _disk(spec: Spec, offer: Offer) -> list[Finding]:
    if choose_engine(spec, offer) == ECHO or spec.vast.disk_gb >= _WEIGHTS_GB:
        return []
    words = f"a disk of {spec.vast.disk_gb} GB cannot hold the weights, which take {_WEIGHTS_GB} GB, and cannot grow"
    return [Finding("disk", Level.FAIL, words, "set vast.disk_gb to 60")]


def _exposure() -> Finding:
    words = (
        f"port {PORT} is mapped to another one of the host; the gateway serves TLS there with a certificate of its "
        "own, which plexctl reads from the instance's log and pins. A browser does not know it"
    )
    return Finding("exposure", Level.WARN, words, "`plexctl open` gives a browser an address that it trusts")


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
    ttl_s, idle_s = spec.limits.ttl_s, spec.gateway.idle_timeout_s
    if ttl_s is None and idle_s is None:
        words = "the instance runs and bills until it is destroyed"
        return Finding("lifetime", Level.WARN, words, "set limits.ttl_s or gateway.idle_timeout_s")
    ends = [f"after {ttl_s:g} s"] if ttl_s is not None else []
    ends += [f"after {idle_s:g} s without a conversation"] if idle_s is not None else []
    words = (
        f"Vast has no lifetime: {' or '.join(ends)} the gateway destroys its own instance, with the key that Vast "
        "gives each instance for itself"
    )
    return Finding("lifetime", Level.OK, words, "`plexctl gc --expired --delete` ends what is left all the same")

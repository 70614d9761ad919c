"""What goes on billing when nobody talks, and after `plexctl stop`: one row per provider, with source and date.

Read in the providers' documents and in reports of their users, not on a bill; what is a guess says so.
"""

from __future__ import annotations

from dataclasses import dataclass

_AS_OF = "2026-11-20"


@dataclass(frozen=True, slots=True)
class Billing:
    """What a provider bills besides conversations."""

    idle: str
    """While it is up and nobody is connected."""
    stopped: str
    """After `plexctl stop`."""
    source: str
    as_of: str = _AS_OF
    is_free_stopped: bool = False
    """Whether nothing worth a word bills after a stop."""

    def to_dict(self) -> dict[str, object]:
        """Return it as the JSON documents show it."""
        return {"idle": self.idle, "stopped": self.stopped, "source": self.source, "as_of": self.as_of}


_UNKNOWN = Billing(
    idle="not known here: assume the full price",
    stopped="not known here: look at the provider's console",
    source="no document of this provider was read",
)
_BILLING: dict[str, Billing] = {
    "local": Billing(
        idle="nothing: it is your own machine",
        stopped="nothing",
        source="no provider is involved",
        is_free_stopped=True,
    ),
    "ssh": Billing(
        idle="nothing by plexctl; whoever rents you the host bills on",
        stopped="nothing by plexctl: its unit is stopped, files and weights stay on the host; whoever rents you the "
        "host bills on until you give it back",
        source="no provider's API is involved",
    ),
    "modal": Billing(
        idle="the full price, each second, until the container scales down; then nothing, unless containers are kept",
        stopped="nothing for GPUs; volumes at 0.09 USD per GiB-month beyond 1 TiB",
        source="modal.com/pricing as transcribed in a public file, 2026; unverified",
        is_free_stopped=True,
    ),
    "cloudrun": Billing(
        idle="the full price while a WebSocket is open and 10 to 15 minutes longer; then nothing, unless instances "
        "are kept (one: about 800 to 1000 USD a month)",
        stopped="nothing for GPUs; stored images and secrets bill on",
        source="docs.cloud.google.com/run services/gpu and braindrip.blog; unverified",
    ),
    "runpod": Billing(
        idle="the full price: a pod does not scale to zero",
        stopped="no GPU, but its disk and volumes bill on, and it may find no free GPU when started",
        source="docs.runpod.io pods/pricing and runpodctl issues; storage prices not read; unverified",
    ),
    "vast": Billing(
        idle="the full price, with disk and bandwidth",
        stopped="its disk bills on; only destroying it ends that",
        source="docs.vast.ai instances/pricing; laurenceday/Dreambooth-Ion-Cannon pull request 5",
    ),
    "lambda": Billing(
        idle="the full price as long as the instance exists",
        stopped="nothing for the instance, which is terminated: Lambda has no stop; a file system stays and bills on",
        source="lambda-openapi-1.10.0.json: no operation stops an instance; file systems unverified",
    ),
    "ovh": Billing(
        idle="the full price as long as the instance exists",
        stopped="the instance is shelved, which frees the GPU; its stored disk bills on, and starting it may find no "
        "free GPU. An AI Deploy app that is stopped bills nothing",
        source="OpenStack's semantics and OVH's AI Deploy guide; what a shelved instance bills is a guess; unverified",
    ),
}


def billing_of(provider: str) -> Billing:
    """Return what a provider bills when idle and when stopped."""
    return _BILLING.get(provider, _UNKNOWN)

"""A virtual machine of OVHcloud's Public Cloud (API v1). No I/O."""

from __future__ import annotations

from plexctl.model import Finding, Level, Offer, Plan, PlannedResource, Step
from plexctl.spec import Spec
from plexctl_providers._common.host import check_host, check_lifetime, host_resources, host_steps
from plexctl_providers._common.host_cloud_init import PUBLIC_KEY, user_data
from plexctl_providers._common.host_files import INSTANCE
from plexctl_providers._common.placeholders import placeholder
from plexctl_providers._common.settings import choose_engine, label, secret_names
from plexctl_providers.ovh.names import check_project, flavours, project_of, region_of

SSH_KEY = "ssh-key"
FLAVOUR_ID, IMAGE_ID = "OVH_FLAVOR_ID", "OVH_IMAGE_ID"
"""Ids that differ by region: looked up by the names in LOOKED_UP when the plan is applied."""
LOOKED_UP = "looked_up"
FLAVOUR = "flavor"
"""What an offer's detail calls the flavour that it was read from."""


def build_plan(spec: Spec, offer: Offer) -> Plan:
    """Lay out the instance with its key, and then what is done on it."""
    return Plan(
        provider="ovh",
        deployment=spec.name,
        offer=offer,
        steps=_steps(spec, offer),
        resources=(_ssh_key(spec, offer), _instance(spec, offer), *host_resources(spec, offer)),
        secrets=secret_names(spec, choose_engine(spec, offer)),
    )


def check(spec: Spec, offer: Offer) -> list[Finding]:
    """Say what holds for instances before anything is created."""
    words = "a stopped instance bills on: only shelving it, which frees the GPU, or deleting it ends that (unverified)"
    door = (
        "without host.ssh_from, ssh is open to everyone, by key alone, until the first login, and then to this computer"
    )
    open_again = "name there all who log in, such as CI jobs; else `plexctl stop` and `start` let in another computer"
    driver = (
        f"whether {spec.ovh.image} comes with NVIDIA's driver there is not verified: bootstrap.sh refuses without one"
    )
    return [
        check_project(spec),
        Finding("stop", Level.WARN, words, "`plexctl destroy` ends the bill"),
        *([Finding("driver", Level.WARN, driver, "name an image with a driver in ovh.image")] if offer.gpu else []),
        *([Finding("ssh", Level.WARN, door, open_again)] if spec.host.ssh_from is None else []),
        *check_lifetime(spec, "the instance bills until it is deleted"),
        *check_host(spec, offer),
    ]


def _steps(spec: Spec, offer: Offer) -> tuple[Step, ...]:
    region = region_of(spec, offer)
    flavour = " or ".join(_flavours(offer)) or ("a flavour with that GPU" if offer.gpu else "the smallest flavour")
    callers = ", 443 from everywhere" if spec.host.public is not None else ", nothing else"
    narrowed = "ssh from this computer's address alone until the instance boots again; host.ssh_from names others"
    return (
        Step("read", "flavour", f"{flavour} in {region}: its id, stock and quota, before anything is created"),
        Step("read", "image", f"{spec.ovh.image} in {region}: its id, and the user to log in as"),
        Step("generate", "ssh keys", "one to log in with, and the host's own, pinned before the first connection"),
        Step("create", SSH_KEY, "its public half, in the project"),
        Step("create", INSTANCE, "billed by the hour from here until it is deleted"),
        Step("wait", INSTANCE, "until its operation is completed, it is ACTIVE, and ssh shows the pinned key"),
        Step("change", "host key", "made anew on the instance over the verified connection, and pinned again"),
        Step("close", "firewall", f"by cloud-init (ufw): ssh from {spec.host.ssh_from or 'everywhere'}{callers}"),
        *([] if spec.host.ssh_from else [Step("close", "firewall", f"over the verified connection: {narrowed}")]),
        *host_steps(spec, offer),
    )


def _ssh_key(spec: Spec, offer: Offer) -> PlannedResource:
    body = {"name": label(spec), "publicKey": placeholder(PUBLIC_KEY), "region": region_of(spec, offer)}
    path = f"/cloud/project/{project_of(spec)}/sshkey"
    return PlannedResource(SSH_KEY, label(spec), {"method": "POST", "path": path, "json": body})


def _instance(spec: Spec, offer: Offer) -> PlannedResource:
    body = {
        "name": label(spec),
        "billingPeriod": "hourly",
        "flavor": {"id": placeholder(FLAVOUR_ID)},
        "bootFrom": {"imageId": placeholder(IMAGE_ID)},
        "network": {"public": True},
        "sshKey": {"name": label(spec)},
        "userData": user_data(spec, has_firewall=True),
    }
    path = f"/cloud/project/{project_of(spec)}/region/{region_of(spec, offer)}/instance"
    names = {FLAVOUR_ID: _flavours(offer), IMAGE_ID: [spec.ovh.image]}
    return PlannedResource(INSTANCE, label(spec), {"method": "POST", "path": path, "json": body, LOOKED_UP: names})


def _flavours(offer: Offer) -> list[str]:
    """Return the names of flavours that will do: the one that was offered, else all with the offer's GPU."""
    named = offer.detail.get(FLAVOUR)
    return [named] if named else flavours(offer, ai_deploy=False)

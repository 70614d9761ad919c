"""What a new virtual machine is told before anybody logs in: its ssh host key, who may come in, and no secret.

The host key is the deployment's own: pinned before the first connection, so that there is no first connection to trust.
Its private half lies in the provider's user data, where whoever runs there can read it; so it is changed over the first
verified connection. Tokens follow by sftp, never this way.
"""

from __future__ import annotations

from plexctl.rendering import render
from plexctl.spec import Spec
from plexctl_providers._common.placeholders import placeholder
from plexctl_providers._common.settings import label

TEMPLATE = "host/cloud-init.yaml.j2"
MARKER = "/var/lib/plexctl/prepared"
"""Made when all of it was done."""
HOST_KEY = "PLEXCTL_SSH_HOST_KEY"
"""The private half of the ssh host key (OpenSSH's form), its line ends written as `\\n`: it stands in double quotes."""
HOST_PUBLIC_KEY = "PLEXCTL_SSH_HOST_PUBLIC_KEY"
"""The public half: `ssh-ed25519 AAAA...`."""
PUBLIC_KEY = "PLEXCTL_SSH_PUBLIC_KEY"
"""The key that may log in: the deployment's own."""
KEY_HASH = "PLEXCTL_SSH_KEY_HASH"
"""The first 16 hex digits of the SHA-256 of PUBLIC_KEY, which name it at a provider."""
CALLER_CIDR = "PLEXCTL_CALLER_CIDR"
"""The caller's own address, as 203.0.113.7/32."""


def user_data(spec: Spec, *, has_firewall: bool) -> str:
    """Return the cloud-config, placeholders unfilled. `has_firewall`: the machine keeps its own (ufw)."""
    values = {
        "label": label(spec),
        "host_key": placeholder(HOST_KEY),
        "host_public_key": placeholder(HOST_PUBLIC_KEY),
        "public_key": placeholder(PUBLIC_KEY),
        "marker": MARKER,
        "has_firewall": has_firewall,
        "ssh_from": ssh_from(spec),
        "is_public": spec.host.public is not None,
    }
    return render(TEMPLATE, values, spec.templates.folder)


def ssh_from(spec: Spec) -> str:
    """Return the addresses (CIDR) that ssh is open to."""
    return spec.host.ssh_from or placeholder(CALLER_CIDR)

"""What is brought to a host: the files of the bundle and the secrets, placeholders filled in. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from plexctl.model import Plan
from plexctl.secret import Secret
from plexctl_providers._common.files import resource
from plexctl_providers._common.host import FILES, PUBLIC_IP, SECRETS, bundle_files
from plexctl_providers._common.host_environment import environment_text
from plexctl_providers._common.placeholders import EXPIRES_AT, ID, fill

_AS_IT_IS = "image/"
"""What an image is built from has no placeholders of ours; what looks like one there is the text itself."""


@dataclass(frozen=True, slots=True)
class Load:
    """Files by path below the bundle's folder, and the text of the secrets' file."""

    files: Mapping[str, str]
    secrets: Secret

    @property
    def bundle_digest(self) -> str:
        """The hash that `look.sh` makes of the same files."""
        rows = sorted((f"./{path}".encode(), text) for path, text in self.files.items())
        listed = b"".join(_sha256(text.encode()).encode() + b"  " + path + b"\n" for path, text in rows)
        return _sha256(listed)

    @property
    def secrets_digest(self) -> str:
        """The hash of the secrets' file."""
        return _sha256(self.secrets.reveal().encode())


def load_of(plan: Plan, secrets: Mapping[str, Secret], known: Mapping[str, str]) -> Load:
    """Return what a plan brings. `known` has the id, the expiry and the public address.

    Raises PreflightError that names a secret without a value.
    """
    files = {
        path: text if path.startswith(_AS_IT_IS) else cast("str", fill(text, known))
        for path, text in bundle_files(plan).items()
    }
    names = cast("Mapping[str, str]", resource(plan, SECRETS).body["variables"])
    values = cast("dict[str, str]", fill(dict(names), secrets))
    return Load(files, Secret(environment_text(values)))


def known_of(plan: Plan, deployment_id: str, address: str, *, now: float, expires: str = "") -> dict[str, str]:
    """Return the values that are no secrets. `expires` is the end of one that runs, which is left as it is."""
    ttl_s = cast("float | None", resource(plan, FILES).body["ttl_s"])
    ends = "" if ttl_s is None else expires or f"{now + ttl_s:.0f}"
    return {ID: deployment_id, EXPIRES_AT: ends, PUBLIC_IP: address}


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()

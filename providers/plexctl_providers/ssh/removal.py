"""What a destroy of a deployment on a host has removed, in the journal's words. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from plexctl.model import Ref, Removal, Resource
from plexctl_providers._common.host import BUNDLE, FILES, SECRETS, SECRETS_FILE


def removal_of(ref: Ref, had: Sequence[str]) -> Removal:
    """Return the resources of a deployment whose host had these things; none where it had nothing."""
    if not had:
        return Removal()
    known = (Resource(FILES, ref.label, BUNDLE), Resource(SECRETS, SECRETS_FILE, SECRETS_FILE))
    return Removal(ref.resources or known)

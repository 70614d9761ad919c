"""`ssh`: how to log in to a deployment's host."""

from __future__ import annotations

from plexctl.contract import Hosted
from plexctl.errors import NotFoundError
from plexctl.flows.finding import refs_of
from plexctl.flows.session import Session


def shell_of(session: Session, name: str) -> tuple[str, ...]:
    """Return the command line that logs in, which believes the host's pinned key alone.

    What the journal does not know is looked for at each provider. Raises NotFoundError for an unknown name, and where
    there is no host to log in to.
    """
    ref = refs_of(session, name)[0]
    provider = session.provider(ref.provider)
    if not isinstance(provider, Hosted):
        raise NotFoundError(f"{name} is on {ref.provider}, which gives no host to log in to", hint="see `plexctl logs`")
    return provider.shell(ref)

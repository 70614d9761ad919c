"""From a command's flags to the session that its flow works with."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from plexctl import config
from plexctl.errors import NotFoundError, UsageError
from plexctl.flows.session import Session, require
from plexctl.identity import is_name
from plexctl.output import Output
from plexctl.secret import Secret


def open_session(output: Output, token_file: Path | None = None) -> Session:
    """Return a session over the user's environment and plexctl's folder."""
    environ = config.environment()
    if token_file is not None:
        environ[config.TOKEN_VARIABLE] = config.read_secret_file(token_file).reveal()
    return Session(config.home(environ), environ, output, config.access_token(environ.get(config.TOKEN_VARIABLE)))


def secrets_of(session: Session, names: Iterable[str], options: Iterable[str]) -> dict[str, Secret]:
    """Return the values of the named secrets, given the `--secret` options."""
    return config.secret_values(names, session.environ, config.secret_sources(options))


def name_or_only(session: Session, name: str | None) -> str:
    """Return the name given, or that of the only deployment.

    Raises NotFoundError when there is none, or none can be called so; UsageError when there are several.
    """
    if name is not None and is_name(name):
        return name
    known = [record.ref.name for record in session.records()]
    if name is not None:
        # Never looked for: locks and folders are files that bear the name.
        require(None, name, known)
    if not known:
        raise NotFoundError("there are no deployments", hint="`plexctl deploy` makes one")
    if len(known) > 1:
        raise UsageError(f"which one? There are {', '.join(known)}", hint="name it")
    return known[0]

"""From a command's flags to the session that its flow works with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from plexctl import config
from plexctl.errors import NotFoundError, UsageError
from plexctl.flows.session import Session, require
from plexctl.identity import is_name
from plexctl.output import Output
from plexctl.secret import Secret

if TYPE_CHECKING:
    from plexctl.licence import Token
    from plexctl.spec import Spec

_SSH = "ssh"


def open_session(output: Output, token_file: Path | None = None) -> Session:
    """Return a session over the user's environment and plexctl's folder."""
    environ = config.environment()
    if token_file is not None:
        environ[config.TOKEN_VARIABLE] = config.read_secret_file(token_file).reveal()
    return Session(config.home(environ), environ, output, config.access_token(environ.get(config.TOKEN_VARIABLE)))


def secrets_of(session: Session, names: Iterable[str], options: Iterable[str]) -> dict[str, Secret]:
    """Return the values of the named secrets, given the `--secret` options."""
    sources, environ = config.secret_sources(options), session.environ
    if config.HUB_TOKEN_VARIABLE in names and config.HUB_TOKEN_VARIABLE not in sources:
        # It may have been found elsewhere when it was deployed.
        environ = _with_token(environ, config.hub_token(environ, None, ()))
    return config.secret_values(names, environ, sources)


def with_hub_token(
    session: Session,
    spec: Spec,
    sources: Mapping[str, Path | None],
    file: Path | None = None,
    env_files: Iterable[Path] | None = None,
) -> tuple[Session, Token | None]:
    """Return the session with the Hub's token as HF_TOKEN, wherever it was found, and the token; for weights only."""
    from plexctl.flows.licence import PERSONAPLEX, engine_of
    from plexctl.licence import Token

    name = config.HUB_TOKEN_VARIABLE
    if engine_of(session, spec) != PERSONAPLEX:
        return session, None
    if name in sources:
        return session, Token(config.secret_values([name], session.environ, sources)[name], f"--secret {name}")
    found = config.hub_token(session.environ, file, env_files or ())
    return replace(session, environ=_with_token(session.environ, found)), found


def with_hosts(session: Session, spec: Spec) -> Session:
    """Return the session with the spec's hosts, and the way there, as the variables that an adapter reads of them.

    Who is asked for what runs on a host, without a spec, then asks the hosts of this one.
    """
    from msgspec import structs

    from plexctl.layers import spec_variables

    if spec.provider != _SSH:
        return session
    ssh = structs.asdict(spec.ssh)
    mine = {name: ssh[key.removeprefix("ssh.")] for name, key in spec_variables().items() if key.startswith("ssh.")}
    texts = {name: ",".join(value) if isinstance(value, tuple) else value for name, value in mine.items() if value}
    return replace(session, environ={**session.environ, **texts})


@dataclass(frozen=True, slots=True)
class Settled:
    """A spec with its implied secrets, and the values of those that were found."""

    session: Session
    spec: Spec
    hub_token: Token | None
    sources: Mapping[str, Path | None]
    values: Mapping[str, Secret]

    def all_values(self, names: Iterable[str]) -> dict[str, Secret]:
        """Return these values and those of more names. Raises ConfigurationError for one that cannot be found."""
        missing = sorted(set(names) - set(self.values))
        return {**self.values, **config.secret_values(missing, self.session.environ, self.sources)}


def settle(
    session: Session, spec: Spec, secrets: Iterable[str], hub_token_file: Path | None, env_files: Iterable[Path] | None
) -> Settled:
    """Find the Hub's token and the values of the spec's secrets, given the `--secret` options."""
    from plexctl.flows.licence import with_engine

    sources = config.secret_sources(secrets)
    session = with_hosts(session, spec)
    spec = with_engine(session, spec)
    session, hub_token = with_hub_token(session, spec, sources, hub_token_file, env_files)
    spec = config.with_implied_secrets(spec, session.environ, sources)
    values = config.secret_values(spec.secrets, session.environ, sources)
    return Settled(session, spec, hub_token, sources, values)


def _with_token(environ: Mapping[str, str], token: Token | None) -> dict[str, str]:
    return {**environ, config.HUB_TOKEN_VARIABLE: token.value.reveal()} if token else dict(environ)


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

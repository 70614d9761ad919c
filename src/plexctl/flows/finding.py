"""Looking for deployments at every provider, without any local record; who could not be asked is told."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field
from functools import partial

from plexctl.errors import (
    ConfigurationError,
    ExtraMissingError,
    NoCredentialsError,
    NotFoundError,
    PlexError,
    ProviderError,
)
from plexctl.flows.session import Session
from plexctl.model import Ref
from plexctl.side_by_side import ask_all

_FIND_S = 60.0
_NOT_SET_UP = (NoCredentialsError, ConfigurationError, ExtraMissingError)
"""What a provider raises that nobody uses on this machine; one that refuses the credentials it got is in use."""


@dataclass(frozen=True, slots=True)
class Search:
    """What was found, and who could not say whether there is more."""

    found: list[Ref] = field(default_factory=list)
    not_set_up: list[str] = field(default_factory=list)
    failed: dict[str, PlexError] = field(default_factory=dict)

    def require(self, missing: PlexError) -> list[Ref]:
        """Return what was found. Raises `missing`, or the error of a provider that may have it and did not answer."""
        if self.found:
            return self.found
        for provider, error in self.failed.items():
            error.message = f"{missing.message} here, and {provider} could not be asked: {error.message}"
            raise error
        if self.not_set_up:
            missing.message = f"{missing.message}; not set up here, so not asked: {', '.join(self.not_set_up)}"
        raise missing


def find_everywhere(session: Session, name: str | None, among: Container[str] | None = None) -> Search:
    """Ask every provider at once, or those named, for its deployments of that name (all when None)."""
    names = [one for one in session.providers.names() if among is None or one in among]
    asked = {one: partial(_find, session, one, name) for one in names}
    search = Search()
    for provider, answer in ask_all(asked, _FIND_S).items():
        if isinstance(answer, _NOT_SET_UP):
            search.not_set_up.append(provider)
        elif isinstance(answer, PlexError):
            search.failed[provider] = answer
        elif isinstance(answer, TimeoutError):
            search.failed[provider] = ProviderError(f"{answer}", hint="check the network, and try again")
        elif isinstance(answer, Exception):
            raise answer
        else:
            search.found.extend(answer)
    for provider, error in search.failed.items():
        session.reporter.note(f"{provider} could not be asked: {error.message}")
    return search


def refs_of(session: Session, name: str) -> list[Ref]:
    """Return the deployments of that name, from the journal or else from the providers.

    Raises NotFoundError when nobody knows the name, the error of a provider that could not be asked otherwise.
    """
    known = [record.ref for record in session.records() if record.ref.name == name]
    return known or find_everywhere(session, name).require(unknown(session, name))


def unknown(session: Session, name: str) -> NotFoundError:
    """Return the error for a name without a record."""
    try:
        session.record(name)
    except NotFoundError as error:
        return error
    raise AssertionError(f"{name} has a record")


def _find(session: Session, provider: str, name: str | None) -> list[Ref]:
    return session.provider(provider).find(name)

"""Every way plexctl can fail, as one tree with one root.

PlexError                         1   a bug in plexctl, when raised as itself
├── UsageError                    2   the command line makes no sense
├── ConfigurationError            3   plexctl.toml, environment or local state is wrong
│   └── JournalError              3   the journal is corrupt, newer than this plexctl, or cannot be written
├── CredentialsError              4   a provider or an endpoint refused who we are
│   └── NoCredentialsError        4   nobody has said who we are
├── LicenceError                  5   the model's licence or gate stands in the way
├── PreflightError                6   GPU memory, quota, region: it could never have worked
├── NoCapacityError               7   nobody has such a GPU right now
├── ProviderError                 8   a provider's API failed
├── UnhealthyError                9   deployed, but not healthy in time, or not talking
├── NotFoundError                10   no such deployment
├── ConflictError                11   the name, port or resource is taken, or another plexctl is at work
├── ExtraMissingError            12   the provider's extra is not installed
├── DriftError                   13   orphans or drift were found
└── InterruptedByUser           130   Ctrl-C or SIGTERM

Errors are raised where the fact is known; only `plexctl.__main__.main` turns them into an exit code.
"""

from __future__ import annotations

from typing import ClassVar


class PlexError(Exception):
    """The root: a message in one line, a hint that names the next step, and a stable code.

    `data` goes into the failure's JSON document, for callers that want figures as well as words.
    """

    code: ClassVar[str] = "bug"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str | None = None, data: object = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.data = data


class UsageError(PlexError):
    """The command line makes no sense as it stands."""

    code = "usage"
    exit_code = 2


class ConfigurationError(PlexError):
    """A setting in plexctl.toml, the environment or the local state is wrong."""

    code = "configuration"
    exit_code = 3


class JournalError(ConfigurationError):
    """The journal cannot be trusted or written; it has not been touched."""

    code = "journal"


class CredentialsError(PlexError):
    """A provider or an endpoint refused who we are."""

    code = "credentials"
    exit_code = 4


class NoCredentialsError(CredentialsError):
    """Nobody has said who we are: the provider may not be in use here."""


class LicenceError(PlexError):
    """The model's licence or gate stands in the way."""

    code = "licence"
    exit_code = 5


class PreflightError(PlexError):
    """A check before any cost found that it could never have worked."""

    code = "preflight"
    exit_code = 6


class NoCapacityError(PlexError):
    """Nobody has such a GPU right now."""

    code = "no_capacity"
    exit_code = 7


class ProviderError(PlexError):
    """A provider's API failed or answered what it should not."""

    code = "provider"
    exit_code = 8


class UnhealthyError(PlexError):
    """Deployed, but not healthy in time, or reachable and not talking."""

    code = "unhealthy"
    exit_code = 9


class NotFoundError(PlexError):
    """No such deployment, here or at the provider."""

    code = "not_found"
    exit_code = 10


class ConflictError(PlexError):
    """The name, port or resource is taken, or another plexctl is at work on it."""

    code = "conflict"
    exit_code = 11


class ExtraMissingError(PlexError):
    """The provider needs a package that is not installed."""

    code = "extra_missing"
    exit_code = 12


class DriftError(PlexError):
    """What exists and what is recorded differ."""

    code = "drift"
    exit_code = 13


class InterruptedByUser(PlexError):  # noqa: N818 - it is no failure of anything
    """Ctrl-C or SIGTERM."""

    code = "interrupted"
    exit_code = 130

"""Every way in which weights turn out not to be ours to download: branches of the tree in `plexctl.errors`.

CredentialsError              4
├── NoTokenError              no_token
├── TokenInvalidError         token_invalid
├── TokenScopeError           token_scope
└── HubRefusedError           hub_refused
LicenceError                  5
├── NotAcceptedError          licence_not_accepted
├── AwaitingReviewError       licence_awaiting_review
└── RejectedError             licence_rejected
NotFoundError                10
├── NoRepositoryError         repository_not_found
├── NoRevisionError           revision_not_found
└── NoWeightsError            weights_not_found
ProviderError                 8
├── HubUnreachableError       hub_unreachable
├── HubSlowError              hub_slow
├── HubRateLimitedError       hub_rate_limited
└── HubFailingError           hub_failing
ConfigurationError            3
└── HubOfflineError           hub_offline

A network that fails is never reported as a licence that was not granted.
"""

from __future__ import annotations

from plexctl.errors import (
    ConfigurationError,
    CredentialsError,
    LicenceError,
    NotFoundError,
    ProviderError,
)


class NoTokenError(CredentialsError):
    """The repository is gated, and there is no token."""

    code = "no_token"


class TokenInvalidError(CredentialsError):
    """The Hub does not know the token, or no longer."""

    code = "token_invalid"


class TokenScopeError(CredentialsError):
    """The token is fine-grained and may not read gated repositories."""

    code = "token_scope"


class HubRefusedError(CredentialsError):
    """The Hub refuses for a reason that is none of the known ones."""

    code = "hub_refused"


class NotAcceptedError(LicenceError):
    """The account has not accepted the licence."""

    code = "licence_not_accepted"


class AwaitingReviewError(LicenceError):
    """The account has asked, and the authors have not decided."""

    code = "licence_awaiting_review"


class RejectedError(LicenceError):
    """The authors have rejected the account's request."""

    code = "licence_rejected"


class NoRepositoryError(NotFoundError):
    """There is no such repository, or it is private."""

    code = "repository_not_found"


class NoRevisionError(NotFoundError):
    """The repository has no such revision."""

    code = "revision_not_found"


class NoWeightsError(NotFoundError):
    """The repository lacks a file that the server needs."""

    code = "weights_not_found"


class HubUnreachableError(ProviderError):
    """No connection to the Hub."""

    code = "hub_unreachable"


class HubSlowError(ProviderError):
    """The Hub took the connection and did not answer in time."""

    code = "hub_slow"


class HubRateLimitedError(ProviderError):
    """The Hub has had too many requests from here."""

    code = "hub_rate_limited"


class HubFailingError(ProviderError):
    """The Hub failed, or what answered is no Hub."""

    code = "hub_failing"


class HubOfflineError(ConfigurationError):
    """HF_HUB_OFFLINE forbids to ask."""

    code = "hub_offline"

"""What only RunPod's GraphQL tells: the balance, the spend limit and spot prices, by RunPod's own SDK.

The SDK takes over a second to load, so that it is imported when it is asked and not before.
It takes its address from the process's own environment: RUNPOD_API_BASE_URL. It is told the key with each query, so
that nothing of ours stays in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from math import isfinite
from threading import Lock
from typing import Any

from plexctl.errors import CredentialsError, ExtraMissingError, PlexError, ProviderError
from plexctl.model import Finding, Level
from plexctl_providers._common.client import is_trustworthy
from plexctl_providers.runpod.client import ADDRESS, key_of
from plexctl_providers.runpod.errors import BILLING, KEY_HINT

GRAPHQL = "RUNPOD_API_BASE_URL"
_MONEY = "query { myself { clientBalance currentSpendPerHr spendLimit } }"
_MONEY_WITHOUT_LIMIT = "query { myself { clientBalance currentSpendPerHr } }"
"""Should the limit be called otherwise: no description of it was read."""
_NO_SUCH_FIELD = {"graphql": "refused"}
_SPOT = "query { gpuTypes { id secureSpotPrice communitySpotPrice } }"
_FEW_HOURS = 2.0
_IMPORTING = Lock()
"""Preflight and offers are asked side by side."""


@dataclass(frozen=True, slots=True)
class Money:
    """What an account may still spend; None is what RunPod did not tell."""

    balance_usd: float | None
    spend_usd_per_hour: float | None
    limit_usd_per_hour: float | None


def read_money(environment: Mapping[str, str]) -> Money:
    """Ask for balance and limit. Raises CredentialsError, ProviderError, ExtraMissingError."""
    try:
        told = _ask(environment, _MONEY, "read the balance")
    except ProviderError as error:
        if error.data != _NO_SUCH_FIELD:
            raise
        told = _ask(environment, _MONEY_WITHOUT_LIMIT, "read the balance")
    mine = told.get("myself")
    answer = mine if isinstance(mine, Mapping) else {}
    return Money(
        _figure(answer.get("clientBalance")),
        _figure(answer.get("currentSpendPerHr")),
        _figure(answer.get("spendLimit")),
    )


def read_spot_prices(environment: Mapping[str, str]) -> dict[str, float]:
    """Return GPU id to the price of an interruptible pod in USD per hour; empty when GraphQL does not tell.

    They are for comparing only: REST v2 makes no interruptible pods.
    """
    try:
        found = _ask(environment, _SPOT, "read spot prices").get("gpuTypes") or []
        prices = {str(one["id"]): _figure(one.get("secureSpotPrice")) for one in found}
    except (PlexError, LookupError, TypeError, AttributeError):
        return {}
    return {gpu: price for gpu, price in prices.items() if price}


def money_findings(environment: Mapping[str, str]) -> list[Finding]:
    """Say what the account may still spend; that GraphQL could not be asked is a warning only.

    Raises CredentialsError.
    """
    try:
        money = read_money(environment)
    except (ProviderError, ExtraMissingError) as error:
        words = f"balance and spend limit were not read: {error.message}"
        return [Finding("balance", Level.WARN, words, error.hint or f"see {BILLING}")]
    return judge(money)


def judge(money: Money) -> list[Finding]:
    """Return what balance and limit mean. Pure."""
    balance, spend, limit = money.balance_usd, money.spend_usd_per_hour or 0.0, money.limit_usd_per_hour
    if balance is None:
        return [Finding("balance", Level.WARN, "RunPod does not tell the balance", f"see {BILLING}")]
    if balance <= 0:
        words = f"the balance is {balance:.2f} USD: RunPod stops pods at 0 and ends those without a network volume"
        return [Finding("balance", Level.FAIL, words, f"add funds: {BILLING}")]
    found = []
    if limit and spend >= limit:
        words = f"{spend:.2f} USD per hour are being spent, and the limit is {limit:g}"
        found.append(Finding("spend-limit", Level.FAIL, words, f"end pods, or ask for a higher limit: {BILLING}"))
    if spend and balance < _FEW_HOURS * spend:
        words = f"{balance:.2f} USD are left, and {spend:.2f} per hour are being spent"
        return [*found, Finding("balance", Level.WARN, words, f"add funds: {BILLING}")]
    return [*found, Finding("balance", Level.OK, f"{balance:.2f} USD, of which {spend:.2f} per hour are being spent")]


def _ask(environment: Mapping[str, str], query: str, action: str) -> Mapping[str, Any]:
    """Ask GraphQL once, in at most the SDK's 30 s. Raises as `read_money` says."""
    key = key_of(environment)
    address = environment.get(GRAPHQL)
    if address is None and environment.get(ADDRESS):
        raise ProviderError(f"cannot {action}: {ADDRESS} is set and {GRAPHQL} is not", hint=f"set {GRAPHQL} too")
    if address is not None and not is_trustworthy(address):
        raise ProviderError(f"cannot {action}: {GRAPHQL}={address!r} is not usable", hint="give https://HOST")
    sdk = _sdk()
    try:
        answer = sdk.run_graphql_query(query, api_key=key)
        return _object(_object(answer).get("data"))
    except sdk.error.AuthenticationError:
        raise CredentialsError(f"cannot {action}: RunPod refuses the key", hint=KEY_HINT) from None
    except sdk.error.QueryError:
        raise ProviderError(f"cannot {action}: GraphQL refuses the question", data=_NO_SUCH_FIELD) from None
    except Exception as error:  # noqa: BLE001 - the SDK raises requests', json's and its own, which hold the query
        raise ProviderError(f"cannot {action}: GraphQL failed ({type(error).__name__})") from None


def _sdk() -> Any:
    """Import the SDK's GraphQL. It sets up logging for the whole process, which would show every request: undone."""
    import logging

    with _IMPORTING:
        root = logging.getLogger()
        before, level = list(root.handlers), root.level
        try:
            return import_module("runpod.api.graphql")
        except ImportError:
            words = "the runpod package is not installed"
            raise ExtraMissingError(words, hint="pip install 'plexctl[runpod]'") from None
        finally:
            root.handlers[:] = before
            root.setLevel(level)


def _object(value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError("no object")
    return value


def _figure(value: object) -> float | None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        return float(value) if isfinite(value) else None
    except OverflowError:
        return None

"""Asking providers before a deploy, side by side: what stands in the way there, and what they offer at this moment.

One alone must answer. Of several, who cannot is left out, and a finding says why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from msgspec import structs

from plexctl.catalog.live import Told
from plexctl.catalog.wishes import AUTO, Wish
from plexctl.contract import Provider
from plexctl.errors import (
    ConfigurationError,
    CredentialsError,
    ExtraMissingError,
    PlexError,
    PreflightError,
    ProviderError,
    UsageError,
)
from plexctl.flows import licence
from plexctl.flows.faults import host_of
from plexctl.flows.session import Session
from plexctl.gpus import find as find_gpu
from plexctl.journal import DeniedHost, Record
from plexctl.licence import Token
from plexctl.model import Finding, Level, Need, Offer
from plexctl.nearest import nearest
from plexctl.registry import OWN_HARDWARE
from plexctl.side_by_side import ask_all
from plexctl.spec import Spec

_DEADLINE_S = 300.0
"""For the checks before a deploy, together: a provider may ask to be asked later (429)."""
_UNREAD = "price-read"
_LICENCE = ""
"""Among the providers' names: none of them is empty."""
_NOT_SET_UP = (CredentialsError, ConfigurationError, ExtraMissingError)
"""What a provider raises that nobody uses on this machine."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for: the spec, what the offer must be, and the token that the model's hub will get."""

    spec: Spec
    wish: Wish
    hub_token: Token | None = None
    force: bool = False
    """Take what was found unfit."""
    ignores_denied: bool = False
    """Take hosts that failed a start not long ago, too."""
    is_auto: bool = False
    """Whoever is set up is asked; who is not is no surprise."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one provider said."""

    provider: Provider
    findings: list[Finding]
    offers: list[Offer]
    unread: PlexError | None = None
    """Why its offers could not be read: the catalog's are what there is."""

    @property
    def has_no_stock_to_show(self) -> bool:
        """Whether nobody knows what it has."""
        return self.unread is not None and self.provider.capabilities.offers_are_stock

    def told(self, denied: Mapping[tuple[str, str], DeniedHost], record: Record | None) -> Told:
        """Return its offers but for those of denied hosts.

        What is recorded there is no longer sold, and offered too; once it was ready, its host is a good one.
        """
        name, is_stock = self.provider.name, self.provider.capabilities.offers_are_stock
        offers = list(self.offers)
        mine = record.offer if record is not None and record.ref.provider == name else None
        if is_stock and mine is not None:
            offers = [mine, *(one for one in offers if one != mine)]
        proven = mine if record is not None and record.ready_at is not None else None
        reasons = [(one, None if one == proven else _why_denied(one, denied)) for one in offers]
        return Told(
            name,
            tuple(one for one, reason in reasons if reason is None),
            is_stock and self.unread is None,
            tuple((one, reason) for one, reason in reasons if reason is not None),
        )


def sellers(session: Session, text: str) -> tuple[str, ...]:
    """Return the providers that `vast`, `vast,runpod` or `auto` names.

    Raises ConfigurationError for one that nobody knows, UsageError for hardware of one's own among several.
    """
    if text.strip().lower() == AUTO:
        return tuple(name for name in session.providers.names() if name not in OWN_HARDWARE) or (AUTO,)
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    if len(names) == 1:
        return names
    known = session.providers.names()
    for name in names:
        if name in OWN_HARDWARE:
            hint = f"name it alone, or leave it out of {text}"
            raise UsageError(f"{name} is your own hardware, which is not weighed against what others sell", hint=hint)
        if name not in known:
            hint = f"known providers: {', '.join(known)}"
            raise ConfigurationError(f"unknown provider {name!r}{nearest(name, known)}", hint=hint)
    return names


def need_of(wish: Wish) -> Need:
    """Return what a provider's own search can heed of a wish; what it cannot is judged afterwards."""
    gpus = sorted(wish.gpus or ())
    least = min((find_gpu(one).vram_gib for one in gpus), default=None)
    sizes = [size for size in (least, wish.min_vram_gib) if size is not None]
    return Need(
        gpu=gpus[0] if len(gpus) == 1 else None,
        min_vram_gib=max(sizes, default=None),
        region=wish.region,
        max_price_usd_per_hour=wish.max_price_usd_per_hour,
    )


def ask_providers(session: Session, order: Order, names: tuple[str, ...]) -> tuple[list[Answer], list[Finding]]:
    """Ask for the licence and at all providers at once; return who can be chosen, and what was found besides.

    The licence counts first. Raises what one alone raises; of several, the first error when none is left, and
    CredentialsError when none of them is set up.
    """
    asked: dict[str, Callable[[], Answer | list[Finding]]] = {
        name: partial(_ask, session, structs.replace(order.spec, provider=name), order.wish) for name in names
    }
    if len(names) == 1:
        session.provider(names[0])  # What is missing is said before anything is asked of anybody.
    asked[_LICENCE] = partial(licence.preflight, session, order.spec, order.hub_token)
    answers = ask_all(asked, _DEADLINE_S)
    findings = answers.pop(_LICENCE)
    if isinstance(findings, Exception):
        raise in_words(findings)
    assert isinstance(findings, list)  # noqa: S101 - what the licence's check returns
    refuse_failed(findings)
    found = {name: one for name, one in answers.items() if isinstance(one, Answer)}
    # Among several, a market that cannot be read has nothing to weigh; who always sells has the catalog's prices.
    is_blind = {name: len(names) > 1 and one.has_no_stock_to_show for name, one in found.items()}
    able = [one for name, one in found.items() if not is_blind[name]]
    unable = {name: in_words(one) for name, one in answers.items() if isinstance(one, Exception)}
    unable |= {name: one.unread for name, one in found.items() if is_blind[name] and one.unread is not None}
    findings += [told for one in able for told in one.findings if told.check == _UNREAD]
    bugs = [error for error in unable.values() if not isinstance(error, PlexError)]
    if bugs:
        raise bugs[0]
    if not able:
        raise _none_of(unable)
    return able, [*findings, *(_left_out(name, error, order) for name, error in unable.items())]


def refuse_failed(findings: Iterable[Finding]) -> None:
    """Raise PreflightError, with all findings, when one of them fails."""
    findings = list(findings)
    failed = [finding for finding in findings if finding.level is Level.FAIL]
    if failed:
        more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
        message = f"{failed[0].message}{more}"
        raise PreflightError(message, hint=failed[0].fix, data={"findings": dicts(findings)})


def dicts(findings: Iterable[Finding]) -> list[dict[str, object]]:
    """Return findings as the JSON documents show them."""
    return [
        {"check": found.check, "level": found.level, "message": found.message, "fix": found.fix} for found in findings
    ]


def in_words(error: Exception) -> Exception:
    """Return the error, for a check that took too long one that says so."""
    if type(error) is TimeoutError:
        return ProviderError(f"the checks before a deploy: {error}", hint="check the network, and try again")
    return error


def _ask(session: Session, spec: Spec, wish: Wish) -> Answer:
    """Check, then read the offers with the same adapter: some search by what the spec says of their hosts."""
    provider = session.provider(spec.provider or "")
    findings = provider.preflight(spec)
    refuse_failed(findings)
    # All of them where a catalog's row may stand in: one that was left out would be judged by an older word.
    need = need_of(wish) if provider.capabilities.offers_are_stock else Need()
    try:
        return Answer(provider, findings, provider.offers(need))
    except PlexError as error:
        if provider.name in OWN_HARDWARE:
            raise
        words = f"the provider's own prices could not be read: {error.message}"
        fix = "the catalog's are used; `plexctl catalog refresh` tries again"
        return Answer(provider, [*findings, Finding(_UNREAD, Level.WARN, words, fix)], [], unread=error)


def _left_out(name: str, error: Exception, order: Order) -> Finding:
    """Say why one of several is left out."""
    level = Level.OK if order.is_auto and isinstance(error, _NOT_SET_UP) else Level.WARN
    message, fix = (error.message, error.hint) if isinstance(error, PlexError) else (str(error), None)
    return Finding(f"provider-{name}", level, f"{name} is left out: {message}", fix)


def _none_of(unable: Mapping[str, Exception]) -> Exception:
    if len(unable) > 1 and all(isinstance(error, _NOT_SET_UP) for error in unable.values()):
        reasons = [(name, error) for name, error in unable.items() if isinstance(error, PlexError)]
        words = "; ".join(f"{name}: {error.message}" for name, error in reasons)
        hint = "; ".join(f"{name}: {error.hint}" for name, error in reasons if error.hint)
        return CredentialsError(f"none of these providers is set up here: {words}", hint=hint or None)
    return next((one for one in unable.values() if not isinstance(one, _NOT_SET_UP)), next(iter(unable.values())))


def _why_denied(offer: Offer, denied: Mapping[tuple[str, str], DeniedHost]) -> str | None:
    host = host_of(offer)
    found = denied.get((offer.provider, host)) if host else None
    return None if found is None else f"is of host {host}, which failed a start: {found.reason}"

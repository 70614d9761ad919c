"""The licence check, as a command and as the first check of a deploy: before anything costs, and before any other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import structs

from plexctl.flows.session import Reporter, Session
from plexctl.licence import CHECK_S, Question, Report, Token, Waiting, check, inputs, wait
from plexctl.model import Finding, Level, Need
from plexctl.registry import OWN_HARDWARE, THIS_MACHINE
from plexctl.spec import PROVIDERS, Spec

PERSONAPLEX = "personaplex"
ECHO = "echo"
_SCRIPT = "PLEXCTL_ENGINE_SCRIPT"


def question(environ: Mapping[str, str], repository: str, revision: str | None, token: Token | None) -> Question:
    """Return what to ask. Raises UsageError or ConfigurationError for what cannot be asked."""
    name = inputs.repository_name(repository)
    return Question(inputs.endpoint(environ), name, inputs.revision_name(revision), token)


def ask(asked: Question, timeout_s: float = CHECK_S) -> Report:
    """Ask once."""
    return check(asked, timeout_s)


def wait_for(asked: Question, limit_s: float, reporter: Reporter) -> Report:
    """Ask until it is granted, or nothing is left to wait for."""
    return wait(lambda timeout_s: check(asked, timeout_s), Waiting(limit_s, CHECK_S, reporter.progress))


def engine_of(session: Session, spec: Spec) -> str:
    """Return the engine that will run: the one asked for, or personaplex where the provider has a GPU.

    Who sells GPUs has one; others are asked.
    """
    if spec.engine is not None:
        return spec.engine
    if spec.provider in PROVIDERS and spec.provider not in OWN_HARDWARE:
        return PERSONAPLEX
    offers = session.provider(spec.provider or "").offers(Need())
    return PERSONAPLEX if any(offer.gpu for offer in offers) else ECHO


def with_engine(session: Session, spec: Spec) -> Spec:
    """Return the spec with its engine named, where only looking at hosts tells it: once is enough for a deploy."""
    if spec.engine is not None or spec.provider == THIS_MACHINE or spec.provider not in OWN_HARDWARE:
        return spec
    engine: Literal["personaplex", "echo"] = "personaplex" if engine_of(session, spec) == PERSONAPLEX else "echo"
    return structs.replace(spec, engine=engine)


def preflight(session: Session, spec: Spec, token: Token | None) -> list[Finding]:
    """Return what a deploy must know of the licence; empty for an engine without weights.

    `token` is only ever given for one that has weights.
    Raises the error of `plexctl.licence.errors` that says what stands in the way.
    """
    if token is None and engine_of(session, spec) != PERSONAPLEX:
        return []
    if _SCRIPT in spec.env:
        words = f"not checked: {_SCRIPT} runs a server that is not NVIDIA's"
        return [Finding("licence", Level.OK, words)]
    if inputs.is_offline(spec.env) or inputs.is_offline(session.environ):
        words = f"not checked: {inputs.OFFLINE_VARIABLE} is set"
        fix = f"the server finds {spec.model.repo} in its cache, or fails"
        return [Finding("licence", Level.WARN, words, fix)]
    session.reporter.progress(f"asking for the licence of {spec.model.repo}")
    report = check(question(session.environ, spec.model.repo, spec.model.revision, token))
    report.raise_for_state()
    return list(report.findings)

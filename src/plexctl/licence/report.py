"""What a check found, and the verdict over the Hub's answers. No I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from plexctl.licence.states import ERRORS, WEBSITE, Problem, State, next_step, similar_repository
from plexctl.licence.tokens import Token
from plexctl.model import Finding, Level

CONFIG, WEIGHTS = "config.json", "model.safetensors"
PROVED_BY = (CONFIG, WEIGHTS)
"""The files whose metadata must be read before a licence counts as granted."""
_ORDER = tuple(State)
_NON_COMMERCIAL = re.compile(r"(^|-)nc(-|$)|non-?commercial", re.IGNORECASE)
_NON_COMMERCIAL_REPOSITORIES = frozenset({"kyutai/personaplex-rl-seamless"})
_KINDS = {"fineGrained": "fine-grained"}


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: whether this token may read this repository."""

    endpoint: str
    repository: str
    revision: str | None
    token: Token | None


@dataclass(frozen=True, slots=True)
class Account:
    """Whose the token is, and of what kind."""

    name: str | None
    kind: str | None
    reads_gated: bool | None
    """What a fine-grained token may; None when it is not told."""


@dataclass(frozen=True, slots=True)
class Description:
    """What the Hub tells of a repository to anybody."""

    commit: str | None
    licence: str | None
    files: tuple[tuple[str, int | None], ...]


@dataclass(frozen=True, slots=True)
class Metadata:
    """What the Hub tells of a file to those who may read it."""

    commit: str
    size: int


@dataclass(frozen=True, slots=True)
class Answers:
    """What came back: each is an answer or why there is none. `account` is None without a token."""

    account: Account | Problem | None
    description: Description | Problem
    files: Mapping[str, Metadata | Problem]


@dataclass(frozen=True, slots=True)
class Report:
    """How it stands, in words and figures; never the token."""

    state: State
    message: str
    hint: str | None
    repository: str
    revision: str | None
    """The commit, or what was asked for when the Hub did not say."""
    account: str | None
    token_kind: str | None
    token_source: str | None
    licence: str | None
    files: tuple[tuple[str, int | None], ...]
    findings: tuple[Finding, ...]
    retry_after_s: float | None = None

    @property
    def granted(self) -> bool:
        """Tell whether the files that count could be read."""
        return self.state is State.GRANTED

    @property
    def total_bytes(self) -> int | None:
        """What a download of everything weighs, where every size is known."""
        sizes = [size for _, size in self.files]
        return sum(size for size in sizes if size is not None) if sizes and None not in sizes else None

    def to_dict(self) -> dict[str, object]:
        """Return the `data` of the command's document."""
        return {
            "state": self.state,
            "repository": self.repository,
            "revision": self.revision,
            "account": self.account,
            "token_kind": self.token_kind,
            "token_source": self.token_source,
            "licence": self.licence,
            "files": [{"name": name, "bytes": size} for name, size in self.files],
            "bytes": self.total_bytes,
            "findings": [
                {"check": found.check, "level": found.level, "message": found.message, "fix": found.fix}
                for found in self.findings
            ],
        }

    def raise_for_state(self) -> None:
        """Raise the state's error unless it is granted."""
        if not self.granted:
            raise ERRORS[self.state](self.message, hint=self.hint, data=self.to_dict())


def account_of(whoami: object) -> Account:
    """Return whose token it is, from what `/api/whoami-v2` says. Raises TypeError for what is no such answer."""
    if not isinstance(whoami, dict) or not isinstance(whoami.get("name"), str):
        raise TypeError("no account")
    auth = whoami.get("auth")
    token = auth.get("accessToken") if isinstance(auth, dict) else None
    role = token.get("role") if isinstance(token, dict) else None
    kind = role if isinstance(role, str) else auth.get("type") if isinstance(auth, dict) else None
    fine = token.get("fineGrained") if isinstance(token, dict) else None
    reads = fine.get("canReadGatedRepos") if isinstance(fine, dict) else None
    return Account(
        whoami["name"],
        _KINDS.get(kind, kind) if isinstance(kind, str) else None,
        reads if isinstance(reads, bool) else None,
    )


def judge(question: Question, answers: Answers) -> Report:
    """Return how it stands: granted only when the metadata of both files were read."""
    account = answers.account if isinstance(answers.account, Account) else Account(None, None, None)
    description = answers.description
    known = description if isinstance(description, Description) else Description(None, None, ())
    proved = {name: found for name, found in answers.files.items() if isinstance(found, Metadata)}
    problem = _problem(question, answers, account)
    token = question.token
    report = Report(
        state=State.GRANTED if problem is None else problem.state,
        message=_message(question, account, problem),
        hint=None if problem is None else next_step(problem, question.repository, account.name, _source(token)),
        repository=question.repository,
        revision=next((found.commit for found in proved.values()), known.commit or question.revision),
        account=account.name,
        token_kind=account.kind,
        token_source=_source(token),
        licence=known.licence,
        files=known.files or tuple((name, found.size) for name, found in proved.items()),
        findings=(),
        retry_after_s=problem.retry_after_s if problem else None,
    )
    return replace(report, findings=tuple(_findings(question, answers, report)))


def _problem(question: Question, answers: Answers, account: Account) -> Problem | None:
    """Return the first problem that applies, None when the files were read with a token that is good."""
    bad_token = [
        found
        for found in (answers.account, answers.description)
        if isinstance(found, Problem) and found.state in (State.TOKEN_INVALID, State.OFFLINE)
    ]
    found = [*bad_token, *(_named(name, what) for name, what in answers.files.items() if isinstance(what, Problem))]
    if not found:
        return None
    if isinstance(answers.description, Problem):
        found.append(answers.description)
    first = min(found, key=lambda problem: _ORDER.index(problem.state))
    if (
        first.state is State.NOT_ACCEPTED
        and account.reads_gated is False
        and "has not been accepted" not in first.words
    ):
        return Problem(State.TOKEN_SCOPE, "the token is fine-grained and may not read gated repositories")
    if first.state is State.NO_REVISION:
        return Problem(State.NO_REVISION, f"there is no revision {question.revision or 'main'!r}")
    return first


def _named(name: str, problem: Problem) -> Problem:
    return Problem(State.NO_WEIGHTS, f"it has no {name}") if problem.state is State.NO_WEIGHTS else problem


def _source(token: Token | None) -> str | None:
    return token.source if token else None


def _message(question: Question, account: Account, problem: Problem | None) -> str:
    token = question.token
    whose = f"of {account.name}, " if account.name else ""
    who = f" (token {whose}from {token.source})" if token else ""
    if problem is None:
        return f"{question.repository}: granted{who}"
    near = similar_repository(question.repository) if problem.state is State.NO_REPOSITORY else ""
    return f"{question.repository}: {problem.words}{near}{who}"


def _findings(question: Question, answers: Answers, report: Report) -> list[Finding]:
    found = [Finding("licence", Level.OK if report.granted else Level.FAIL, report.message, report.hint)]
    if question.repository in _NON_COMMERCIAL_REPOSITORIES or _NON_COMMERCIAL.search(report.licence or ""):
        terms = report.licence or "its licence"
        fix = "for commercial use take nvidia/personaplex-7b-v1 or another that allows it"
        found.append(Finding("licence-terms", Level.WARN, f"{terms} of {question.repository} is non-commercial", fix))
    if question.endpoint != WEBSITE:
        words = f"the Hub is {question.endpoint} (HF_ENDPOINT)"
        if question.endpoint.startswith("http://"):
            found.append(Finding("hub", Level.WARN, f"{words}, unencrypted and on this machine"))
        else:
            found.append(Finding("hub", Level.OK, words))
    if report.granted and isinstance(answers.account, Problem):
        found.append(Finding("account", Level.WARN, f"the token's account is not known: {answers.account.words}"))
    if report.granted and isinstance(answers.description, Problem):
        words = f"the list of files is not known: {answers.description.words}"
        found.append(Finding("files", Level.WARN, words))
    return found

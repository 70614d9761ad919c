"""Asks the Hub through huggingface_hub: account, repository and files side by side, within a time.

Nothing is tried twice here: who may wait says so (`plexctl.licence.waiting`). The Hub's own warnings are not shown.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from plexctl.licence.refusals import problem_of
from plexctl.licence.report import (
    PROVED_BY,
    Account,
    Answers,
    Description,
    Metadata,
    Question,
    Report,
    account_of,
    judge,
)
from plexctl.licence.states import Problem, State
from plexctl.side_by_side import ask_until

CHECK_S = 20.0
"""How long a check may take when nobody says otherwise."""
_CONNECT_S = 3.0
"""How long until there is a connection; with the start of Python a machine without a network has its answer in 5 s."""
_SIGNS_OF_LIFE = ("connect_tcp.complete", "send_request_headers.complete")
"""Events of httpcore (its `trace` extension)."""
_COMMIT = re.compile(r"[0-9a-f]{40}")
_CRITICAL = 50
_LARGEST_ANSWER = 8 << 20


class NotAHubError(Exception):
    """An answer without the marks of a Hub, or beyond its size."""


def check(question: Question, timeout_s: float = CHECK_S) -> Report:
    """Ask the Hub how it stands. Never raises for what the Hub or the network does: the report's state tells it."""
    reached = threading.Event()
    outcomes = ask_until(_reads(question, timeout_s, reached), timeout_s, reached, _CONNECT_S)
    return judge(question, _answers(question, outcomes, has_connection=reached.is_set()))


def _reads(question: Question, timeout_s: float, reached: threading.Event) -> dict[str, Callable[[], object]]:
    """Return what is to be read, by name."""
    from huggingface_hub import HfApi, get_hf_file_metadata, get_session, hf_hub_url
    from huggingface_hub.utils import logging

    logging.set_verbosity(_CRITICAL)
    try:
        session: Any = get_session()
    except Exception as error:  # noqa: BLE001 - a proxy or certificates that make no sense: the text may hold a password
        failure = error
        return {name: lambda: _raise(failure) for name in PROVED_BY}
    session.timeout = timeout_s
    session.event_hooks = {"request": [*_library_hooks(session), _tracer(reached)], "response": [_bound]}
    api = HfApi(endpoint=question.endpoint)
    token = question.token.value.reveal() if question.token else False

    def describe() -> Description:
        found = api.model_info(
            question.repository, revision=question.revision, timeout=timeout_s, files_metadata=True, token=token
        )
        return _description(found)

    def read(name: str) -> Metadata:
        url = hf_hub_url(question.repository, name, revision=question.revision, endpoint=question.endpoint)
        return _metadata(get_hf_file_metadata(url, token=token, timeout=timeout_s, endpoint=question.endpoint))

    calls: dict[str, Callable[[], object]] = {name: lambda name=name: read(name) for name in PROVED_BY}  # type: ignore[misc]
    calls["description"] = describe
    if question.token:
        calls["account"] = lambda: account_of(api.whoami(token))
    return calls


def _raise(error: Exception) -> None:
    raise error


def _library_hooks(session: Any) -> list[Any]:
    return [hook for hook in session.event_hooks["request"] if not getattr(hook, "is_ours", False)]


def _tracer(reached: threading.Event) -> Callable[[Any], None]:
    """Return a hook that sets `reached` when a connection stands, whatever is answered then."""

    def trace(event: str, _: Mapping[str, Any]) -> None:
        if event.endswith(_SIGNS_OF_LIFE):
            reached.set()

    def hook(request: Any) -> None:
        request.extensions["trace"] = trace
        request.headers["Accept-Encoding"] = "identity"  # what is unpacked has no bound

    hook.is_ours = True  # type: ignore[attr-defined]
    return hook


def _bound(response: Any) -> None:
    """Let no answer be larger than any of the Hub's to these questions; called before its body is read."""
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise NotAHubError
    stream = response.stream
    # Of httpx or httpx2, by version: the class that every stream must be of.
    base = next(kind for kind in type(stream).__mro__ if kind.__name__ == "SyncByteStream")

    def chunks(_: object) -> Iterator[bytes]:
        total = 0
        for chunk in stream:
            total += len(chunk)
            if total > _LARGEST_ANSWER:
                raise NotAHubError
            yield chunk

    response.stream = type("BoundedStream", (base,), {"__iter__": chunks, "close": lambda _: stream.close()})()


def _description(info: Any) -> Description:
    card = getattr(info, "card_data", None)
    names = [getattr(card, key, None) for key in ("license_name", "license")]
    tags = [tag.removeprefix("license:") for tag in info.tags or () if str(tag).startswith("license:")]
    licence = next((name for name in [*names, *tags] if isinstance(name, str) and name), None)
    files = tuple(
        (str(sibling.rfilename), sibling.size if isinstance(sibling.size, int) else None)
        for sibling in info.siblings or ()
    )
    commit = info.sha if isinstance(info.sha, str) and _COMMIT.fullmatch(info.sha) else None
    return Description(commit, licence, files)


def _metadata(found: Any) -> Metadata:
    if not (_COMMIT.fullmatch(found.commit_hash or "") and found.etag and isinstance(found.size, int)):
        raise NotAHubError
    return Metadata(found.commit_hash, found.size)


def _answers(question: Question, outcomes: Mapping[str, object], *, has_connection: bool) -> Answers:
    late = (
        Problem(State.SLOW, "the Hub did not answer in time")
        if has_connection
        else Problem(State.UNREACHABLE, f"no connection to {question.endpoint} within {_CONNECT_S:g} s")
    )
    hide = _hider(question)

    def found(name: str) -> Any:
        outcome = outcomes.get(name)
        if isinstance(outcome, BaseException):
            problem = problem_of(outcome, has_token=question.token is not None)
            return Problem(problem.state, hide(problem.words), problem.retry_after_s)
        if isinstance(outcome, Account):
            return Account(hide(outcome.name or "") or None, hide(outcome.kind or "") or None, outcome.reads_gated)
        if isinstance(outcome, Description):
            files = tuple((hide(path), size) for path, size in outcome.files)
            return Description(outcome.commit, hide(outcome.licence or "") or None, files)
        return outcome or late

    account = found("account") if question.token else None
    return Answers(account, found("description"), {name: found(name) for name in PROVED_BY})


def _hider(question: Question) -> Callable[[str], str]:
    """Return what blots the token out of the Hub's words: a server may repeat what it was sent."""
    secret = question.token.value.reveal() if question.token else ""
    return lambda text: text.replace(secret, "***") if secret else text

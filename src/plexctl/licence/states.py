"""How it stands between a token and a repository: the states, what each raises, and the next step. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from plexctl.errors import PlexError
from plexctl.licence import errors
from plexctl.nearest import nearest

WEBSITE = "https://huggingface.co"
"""Where people log in and accept; mirrors (HF_ENDPOINT) have no pages for that."""
TOKENS_PAGE = f"{WEBSITE}/settings/tokens"
STATUS_PAGE = "https://status.huggingface.co"
KNOWN_REPOSITORIES = (
    "nvidia/personaplex-7b-v1",
    "kyutai/personaplex-rl-seamless",
    "kyutai/moshiko-pytorch-bf16",
    "kyutai/moshika-pytorch-bf16",
)
GATED_SCOPE = "Read access to contents of all public gated repos you can access"
"""The box to tick, as the page of a fine-grained token words it."""


class State(StrEnum):
    """What was found; each but `granted` is the code of an error. The first that applies is told."""

    GRANTED = "granted"
    OFFLINE = "hub_offline"
    TOKEN_INVALID = "token_invalid"  # noqa: S105 - a state
    TOKEN_SCOPE = "token_scope"  # noqa: S105 - a state
    REJECTED = "licence_rejected"
    AWAITING_REVIEW = "licence_awaiting_review"
    NO_REPOSITORY = "repository_not_found"
    NO_REVISION = "revision_not_found"
    NO_TOKEN = "no_token"  # noqa: S105 - a state
    NOT_ACCEPTED = "licence_not_accepted"
    NO_WEIGHTS = "weights_not_found"
    REFUSED = "hub_refused"
    RATE_LIMITED = "hub_rate_limited"
    FAILING = "hub_failing"
    SLOW = "hub_slow"
    UNREACHABLE = "hub_unreachable"


ERRORS: dict[State, type[PlexError]] = {
    State(kind.code): kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, PlexError) and kind.__module__ == errors.__name__
}
"""What each state raises."""
PASSING = frozenset({State.RATE_LIMITED, State.FAILING, State.SLOW, State.UNREACHABLE})
"""The network's and the Hub's states: another try may end otherwise."""
AWAITED = PASSING | {State.NOT_ACCEPTED, State.AWAITING_REVIEW}
"""What `--wait` waits out."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why something could not be read."""

    state: State
    words: str
    retry_after_s: float | None = None
    """When the Hub says to come back."""


def next_step(problem: Problem, repository: str, account: str | None, source: str | None) -> str:
    """Return what to do about it, with the page to open."""
    page = f"{WEBSITE}/{repository}"
    who = f"as {account}" if account else "with the token's account"
    again = f"in {problem.retry_after_s:g} s" if problem.retry_after_s else "in a few minutes"
    steps = {
        State.OFFLINE: "unset HF_HUB_OFFLINE",
        State.NO_TOKEN: f"accept the licence at {page}, make a token at {TOKENS_PAGE} and export it as HF_TOKEN",
        State.TOKEN_INVALID: f"make a new token at {TOKENS_PAGE} and put it where this one is: {source}",
        State.TOKEN_SCOPE: f"tick {GATED_SCOPE!r} for it at {TOKENS_PAGE}, or use a token of type read",
        State.REJECTED: f"ask the authors at {page}/discussions, or use the token of an account that was accepted",
        State.AWAITING_REVIEW: f"the authors decide ({WEBSITE}/settings/gated-repos shows it); --wait waits for them",
        State.NOT_ACCEPTED: f"open {page}, log in {who} and accept the conditions; --wait waits until you have",
        State.NO_REPOSITORY: f"look at {page}: one that is private looks missing to whoever may not read it",
        State.NO_REVISION: f"{page}/commits/main lists the commits; a branch, a tag or 40 hex digits will do",
        State.NO_WEIGHTS: f"{page}/tree/main lists the files; a PersonaPlex has config.json and model.safetensors",
        State.REFUSED: f"open {page} {who} and see what it says",
        State.RATE_LIMITED: f"try again {again}; {STATUS_PAGE} shows the Hub's state",
        State.FAILING: f"try again {again}; {STATUS_PAGE} shows the Hub's state; HF_ENDPOINT must be a Hub",
        State.SLOW: f"try again, or allow it more with --timeout 60s; {STATUS_PAGE} shows the Hub's state",
        State.UNREACHABLE: f"check the network, HTTPS_PROXY and HF_ENDPOINT; {STATUS_PAGE} shows the Hub's state",
    }
    return steps[problem.state]


def similar_repository(name: str) -> str:
    """Return `; did you mean 'x'?` for the nearest known repository, or nothing."""
    return nearest(name, [known for known in KNOWN_REPOSITORIES if known != name])

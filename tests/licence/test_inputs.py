"""What may be asked for, and what any answer means: pure parts, on their own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.cli.process import Plexctl
from tests.clouds.hub import Hub
from tests.licence.world import ask

from plexctl.errors import UsageError
from plexctl.licence.inputs import repository_name, revision_name
from plexctl.licence.refusals import problem_of, refusal
from plexctl.licence.report import account_of
from plexctl.licence.states import State

GOOD_REVISIONS = ("main", "v1.0", "refs/pr/12", "feature/x", "a" * 40, "deadbeef", "1", "a.b")
BAD_REVISIONS = (
    *("a" * 41, "a" * 39, "A" * 64, "", "-x", "/x", "x/", "x..y", "x y", "x~1", "x^", "x:y", "x?", "x*", "x[", "x\\y"),
    *("x.lock", ".x", "x/.y", "x//y", "@", "x@{1}", "x\n", "x\x7f", "x" * 251, "x."),
)
NON_REPOSITORIES = {
    "personaplex": "did you mean",
    "https://huggingface.co/nvidia/personaplex-7b-v1": "did you mean 'nvidia/personaplex-7b-v1'",
    "nvidia/personaplex-7b-v1/tree": "did you mean",
    "../x": "",
    "a/b c": "",
    "a//b": "",
    "/b": "",
    "a/": "",
    "a/b--c": "",
    "a/" + "b" * 200: "",
    "a/b\n": "",
    "\u00e9/b": "",
}


@pytest.mark.parametrize("name", GOOD_REVISIONS)
def test_revisions(name: str) -> None:
    """Forty hexadecimal digits are a commit; names that git takes for a ref are refs."""
    assert revision_name(name) == name


@pytest.mark.parametrize("name", BAD_REVISIONS, ids=repr)
def test_what_is_no_revision(name: str) -> None:
    """Forty-one digits, and what git takes for no ref, are refused with what would do."""
    with pytest.raises(UsageError) as caught:
        revision_name(name)
    assert "40 hex" in (caught.value.hint or "") or "main" in (caught.value.hint or "")


@pytest.mark.parametrize(("name", "words"), NON_REPOSITORIES.items(), ids=repr)
def test_what_is_no_repository(name: str, words: str) -> None:
    """What is no owner/name is refused, with the nearest known name where one is near."""
    with pytest.raises(UsageError, match="is no repository") as caught:
        repository_name(name)
    assert words in caught.value.message


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("--revision", "a" * 41), "41 hexadecimal digits"),
        (("--repo", "personaplex"), "did you mean"),
        (("--timeout", "soon"), "is no duration"),
        (("--timeout", "0"), "is no duration"),
    ],
)
def test_bad_input_is_refused_before_anything_is_sent(
    argv: tuple[str, ...], words: str, hub: Hub, plexctl: Plexctl
) -> None:
    """Bad input exits 2 with the nearest valid value, and the Hub hears nothing."""
    result = ask(plexctl, hub, "ann", *argv, "--json")
    assert (result.rc, result.document["error"]["code"]) == (2, "usage")
    assert words in result.document["error"]["message"]
    assert hub.requests == []


@given(
    st.integers(100, 599),
    st.dictionaries(st.sampled_from(["X-Error-Code", "Retry-After", "ratelimit"]), st.text(max_size=40)),
    st.text(max_size=80),
    st.booleans(),
)
def test_every_answer_means_something(status: int, headers: dict[str, str], said: str, has_token: bool) -> None:  # noqa: FBT001
    """Whatever status, headers and words come, there is one problem, and never `granted`."""
    problem = refusal(status, headers, said, has_token=has_token)
    assert problem.state is not State.GRANTED
    assert problem.words


@given(st.integers(500, 599) | st.sampled_from([408, 429, 407, 404, 418]), st.text(max_size=80), st.booleans())
def test_a_failing_network_denies_nothing(status: int, said: str, has_token: bool) -> None:  # noqa: FBT001
    """No failure of a Hub, gateway or proxy is ever told as a licence or a token that is wrong, whatever it says."""
    state = refusal(status, {}, said, has_token=has_token).state
    assert state in {State.FAILING, State.RATE_LIMITED, State.UNREACHABLE}


@given(st.sampled_from([ValueError, KeyError, OSError, RuntimeError, UnicodeError, RecursionError]), st.text())
def test_unknown_errors_are_named_by_type_alone(kind: type[Exception], text: str) -> None:
    """An error that nobody foresaw is a failing Hub or network, and its text, which may hold a secret, is not shown."""
    problem = problem_of(kind(f"canary-{text}"), has_token=True)
    assert problem.state in {State.FAILING, State.UNREACHABLE}
    assert "canary" not in problem.words


@given(
    st.recursive(
        st.none() | st.booleans() | st.text() | st.floats(),
        lambda inner: (
            st.dictionaries(
                st.sampled_from(["name", "auth", "accessToken", "role", "fineGrained", "canReadGatedRepos", "type"]),
                inner,
            )
            | st.lists(inner)
        ),
    )
)
def test_any_whoami_is_an_account_or_none(answer: object) -> None:
    """Whatever JSON says who we are, it is an account with a name, or refused as none."""
    try:
        account = account_of(answer)
    except TypeError:
        return
    assert isinstance(account.name, str)
    assert account.kind is None or isinstance(account.kind, str)

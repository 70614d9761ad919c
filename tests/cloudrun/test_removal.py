"""A destroy is no success while anything that the journal knows is there, whatever its labels or a proxy say."""

from __future__ import annotations

from typing import Any

import pytest
from tests.cloudrun.ground import NO_GPU, Ground, spec_of
from tests.clouds.google import Fault, Google, RefusedError

from plexctl.errors import ProviderError

ECHO = spec_of(engine="echo")


def answering(code: int, body: Any) -> RefusedError:
    """Return an answer with just this in it."""
    answer = RefusedError(code, "", status="UNKNOWN")
    answer.body = body
    return answer


def test_a_service_without_its_label_is_named_and_left(ground: Ground) -> None:
    """The rest goes; the service is not ours to delete and may bill: exit 8, until it is labelled again."""
    with ground.begun(ECHO, NO_GPU) as entry:
        ground.apply(entry, ECHO, NO_GPU)
        labels, ground.service().body["labels"] = ground.service().body["labels"], {}
        with pytest.raises(ProviderError, match=f"the service {entry.ref.label} is there, without") as caught:
            ground.provider().destroy(entry.ref, everything=True)
        assert f"plexctl-id={entry.ref.id}" in (caught.value.hint or "")
        books = ground.google.books
        assert not any([books.secrets, books.buckets, books.repositories])
        ground.service().body["labels"] = labels
        ground.provider().destroy(entry.ref, everything=True)
    assert not ground.google.books.services


def test_a_secret_and_a_bucket_without_label_are_named_too(ground: Ground) -> None:
    """Everything that the journal knows as made is looked up by its own name."""
    with ground.begun(ECHO, NO_GPU) as entry:
        ground.apply(entry, ECHO, NO_GPU)
        books = ground.google.books
        for one in (*books.secrets.values(), *books.buckets.values()):
            one["labels"] = {}
        left = [*(f"secret {name.rpartition('/')[2]}" for name in books.secrets), *books.buckets]
        with pytest.raises(ProviderError) as caught:
            ground.provider().destroy(entry.ref)
        assert [name for name in left if name not in caught.value.message] == []
    assert (len(books.services), len(books.secrets), len(books.buckets)) == (0, 1, 1)


def test_the_image_in_a_repository_of_others_goes(ground: Ground) -> None:
    """It is called after the deployment, so that it needs no label; the repository stays, and is said to."""
    with ground.begun(ECHO, NO_GPU) as entry:
        ground.apply(entry, ECHO, NO_GPU)
        for one in ground.google.books.repositories.values():
            one["labels"] = {}
        removal = ground.provider().destroy(entry.ref, everything=True)
    assert "image" in [one.kind for one in removal.removed]
    assert [(one.kind, one.why) for one in removal.kept] == [("repository", "it is not plexctl's")]


@pytest.mark.parametrize("answer", [(404, {}), (404, []), (200, {})])
@pytest.mark.parametrize("method", ["*", "run.*.get", "*.list|*.get", "secretmanager.*", "storage.*"])
def test_an_answer_that_is_not_googles_is_no_proof(ground: Ground, answer: tuple[int, Any], method: str) -> None:
    """A bare 404, and an answer that lacks a name, end in an error; the next destroy finds everything."""
    with ground.begun(ECHO, NO_GPU) as entry:
        ground.apply(entry, ECHO, NO_GPU)
        ground.google.fail(Fault(method, refusal=answering(*answer)))
        with pytest.raises(ProviderError):
            ground.provider().destroy(entry.ref, everything=True)
        ground.google.faults.clear()
        ground.provider().destroy(entry.ref, everything=True)
    books = ground.google.books
    assert not any([books.services, books.secrets, books.buckets, books.repositories])


@pytest.mark.parametrize(
    "page",
    [
        {"secrets": None},
        {"secrets": "text"},
        {"secrets": {}},
        {"secrets": ["text"]},
        {"secrets": [{}]},
        {"secrets": [{"name": 7}]},
        {"nextPageToken": 5},
        {"nextPageToken": None},
        {"nextPageToken": "again"},
    ],
)
def test_a_page_that_is_none_is_an_error_of_the_provider(ground: Ground, google: Google, page: object) -> None:
    """Wrong types, and a list that goes in a circle: exit 8 and a hint, not a bug and not an end of the list."""
    google.fail(Fault("secretmanager.projects.secrets.list", refusal=answering(200, page)))
    with pytest.raises(ProviderError, match="its description does not know") as caught:
        ground.provider().find(None)
    assert caught.value.hint


def test_an_answer_that_is_not_json_has_a_hint(ground: Ground, google: Google) -> None:
    """A list in place of an object is none of Google's answers."""
    google.fail(Fault("secretmanager.projects.secrets.list", refusal=answering(200, [1])))
    with pytest.raises(ProviderError, match="not JSON") as caught:
        ground.provider().find(None)
    assert "proxy" in (caught.value.hint or "")

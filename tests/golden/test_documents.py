"""`gpus` and `plan` of each provider, word for word and twice the same: no network, no key, no state.

A change there is a change of the public interface: run with PLEXCTL_TEST_WRITE_GOLDEN=1, then read the diff.
"""

from __future__ import annotations

import os

import pytest
from tests.cli.process import Plexctl
from tests.cli.schemas import check
from tests.golden.documents import DOCUMENTS, SURROUNDINGS
from tests.golden.test_golden import FILES


@pytest.mark.parametrize("name", DOCUMENTS)
def test_word_for_word(plexctl: Plexctl, name: str) -> None:
    """The same input gives the same bytes, today as yesterday, and leaves nothing behind."""
    first, second = (plexctl.ok(*DOCUMENTS[name], env=SURROUNDINGS) for _ in range(2))
    check(first.document)
    assert first.stdout == second.stdout
    assert not plexctl.home.exists()
    if os.environ.get("PLEXCTL_TEST_WRITE_GOLDEN"):
        (FILES / name).write_text(first.stdout, encoding="utf-8")
    assert first.stdout == (FILES / name).read_text(encoding="utf-8")

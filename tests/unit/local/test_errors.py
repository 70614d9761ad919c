"""The operating system's errors as plexctl's: total, with the action and the cause."""

from __future__ import annotations

import errno
import os

import pytest

from plexctl.errors import ConfigurationError, ConflictError, PlexError, PreflightError, ProviderError
from plexctl_providers.local.errors import _BY_ERRNO, os_errors

EXPECTED: dict[int, type[PlexError]] = {
    errno.EADDRINUSE: ConflictError,
    errno.EACCES: ConfigurationError,
    errno.EPERM: ConfigurationError,
    errno.EROFS: ConfigurationError,
    errno.ENOSPC: PreflightError,
    errno.EAGAIN: PreflightError,
    errno.ENOMEM: PreflightError,
    errno.EMFILE: PreflightError,
    errno.ENFILE: PreflightError,
}


def test_the_table_below_is_the_whole_table() -> None:
    """A row added to the map is a row added to this test."""
    assert {number: kind for number, (kind, _) in _BY_ERRNO.items()} == EXPECTED


@pytest.mark.parametrize("number", sorted(errno.errorcode))
def test_every_errno_becomes_one_of_our_errors(number: int) -> None:
    """The map is total: whatever the system says is an error of the tree, with the cause kept."""
    cause = OSError(number, os.strerror(number))
    with pytest.raises(PlexError) as caught, os_errors("start the gateway"):
        raise cause
    assert type(caught.value) is EXPECTED.get(number, ProviderError)
    assert caught.value.message == f"cannot start the gateway: {os.strerror(number)}"
    assert caught.value.__cause__ is cause
    assert bool(caught.value.hint) is (number in EXPECTED)


def test_an_error_without_a_number_is_told_in_its_own_words() -> None:
    """Some libraries raise OSError with a text only."""
    with pytest.raises(ProviderError, match="cannot listen: no luck"), os_errors("listen"):
        raise OSError("no luck")


def test_what_is_no_system_error_passes() -> None:
    """Bugs stay bugs."""
    with pytest.raises(ZeroDivisionError), os_errors("divide"):
        raise ZeroDivisionError

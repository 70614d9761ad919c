"""user@host[:port]: what is read and what is refused."""

from __future__ import annotations

import pytest

from plexctl.errors import ConfigurationError
from plexctl_providers._common.ssh.destination import Destination


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gpu.example.org", Destination("gpu.example.org")),
        ("me@gpu", Destination("gpu", 22, "me")),
        ("me@192.0.2.7:2222", Destination("192.0.2.7", 2222, "me")),
        ("me@[2001:db8::7]:2222", Destination("2001:db8::7", 2222, "me")),
        ("[fe80::1%eth0]", Destination("fe80::1%eth0")),
        ("first.last@host_1:1", Destination("host_1", 1, "first.last")),
        (" me@gpu\n", Destination("gpu", 22, "me")),
    ],
)
def test_a_destination_is_read(text: str, expected: Destination) -> None:
    """Users, ports and IPv6 addresses in brackets are read; the user may be left out."""
    assert Destination.parse(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "@gpu", "me@", "gpu:", "gpu:0", "gpu:65536", "gpu:ssh", "me@gpu:22:22", "2001:db8::7", "-oProxyCommand=x",
     "me@-x", "a b@gpu", "gpu;rm", "me@gpu/path", "ssh://gpu", "me@you@gpu", "[2001:db8::7", "g\u00fcnther@gpu"],
)  # fmt: skip
def test_what_is_no_destination_is_refused(text: str) -> None:
    """What could mean two things, or an option of ssh's, is no destination; the fix is in the hint."""
    with pytest.raises(ConfigurationError) as caught:
        Destination.parse(text)
    assert "user@host[:port]" in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("text", ["gpu", "me@gpu", "me@gpu:2222", "me@[2001:db8::7]", "[2001:db8::7]:2222"])
def test_a_destination_is_written_as_it_was_read(text: str) -> None:
    """What is written is what a person would write, and is read back the same."""
    assert str(Destination.parse(text)) == text


def test_known_hosts_name_the_port_only_where_it_is_another() -> None:
    """OpenSSH keeps keys under the host's lower-case name, with brackets and port for any other port than 22."""
    assert Destination("GPU.example.org").name == "gpu.example.org"
    assert Destination("GPU", 2222).name == "[gpu]:2222"
    assert Destination("2001:db8::7").name == "2001:db8::7"
    assert Destination("2001:db8::7", 2222).name == "[2001:db8::7]:2222"

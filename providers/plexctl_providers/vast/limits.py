"""Vast's documented limits, held against a body before it is sent: it cuts or refuses what is longer. No I/O.

Source: the input validation in vast-ai/docs at c624622. Whether the limit of an item of `env` is that of its value, or
of name and value together, is not said there: the shorter reading holds here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from plexctl.model import Finding, Level

MOST_COMMAND = 4096
"""Characters of `args`, `args_str` and `onstart` together."""
MOST_VARIABLE = 256
MOST_ENVIRONMENT = 32_768
MOST_IMAGE = 1024
MOST_LABEL = 256
MOST_PORTS = 64
LEAST_DISK_GB = 8
LEAST_PRICE, MOST_PRICE = 0.001, 128.0
"""USD per hour of a bid."""


def check_limits(body: Mapping[str, Any]) -> list[Finding]:
    """Return what of a create body is beyond a limit, by name; values are never shown."""
    return [Finding("limits", Level.FAIL, words, fix) for words, fix in _beyond(body)]


def _beyond(body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    arguments = body.get("args_str") or " ".join(body.get("args") or ())
    command = len(arguments) + len(body.get("onstart") or "")
    if command > MOST_COMMAND:
        words = f"arguments and onstart have {command} characters together; Vast takes {MOST_COMMAND}"
        yield words, "put them into the image, or fetch them from there"
    for name, most in (("image", MOST_IMAGE), ("label", MOST_LABEL)):
        length = len(body.get(name) or "")
        if length > most:
            yield f"{name} has {length} characters; Vast takes {most}", f"take a shorter {name}"
    if body["disk"] < LEAST_DISK_GB:
        yield f"a disk of {body['disk']} GB; Vast gives {LEAST_DISK_GB} at least", "set vast.disk_gb to 60"
    price = body.get("price")
    if price is not None and not LEAST_PRICE <= price <= MOST_PRICE:
        words = f"a bid of {price:g} USD per hour; Vast takes {LEAST_PRICE:g} to {MOST_PRICE:g}"
        yield words, "change vast.bid_usd_per_hour"
    yield from _beyond_environment(body.get("env") or {})


def _beyond_environment(env: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    lengths = {name: len(f"{name}={value}") for name, value in env.items()}
    for name, length in lengths.items():
        if length > MOST_VARIABLE:
            words = f"{name} has {length} characters with its name; Vast takes {MOST_VARIABLE}"
            yield words, "shorten it; a long prompt can come with each call instead"
    if sum(lengths.values()) > MOST_ENVIRONMENT:
        words = f"env has {sum(lengths.values())} characters; Vast takes {MOST_ENVIRONMENT}"
        yield words, "set fewer variables"
    ports = sum(name.startswith("-p ") for name in env)
    if ports > MOST_PORTS:
        yield f"{ports} ports; Vast maps {MOST_PORTS}", "open fewer"

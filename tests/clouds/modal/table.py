"""Which function answers which method of Modal's service."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

ANSWERS: dict[str, Callable[[Any, Any], Any]] = {}
"""Method to a function (cloud, request) that returns or awaits the answer."""
STREAMS: dict[str, Callable[[Any, Any], Any]] = {}
"""Method to a function (cloud, request) that yields the answers."""


def answers(*methods: str) -> Callable[[Callable[[Any, Any], Any]], Callable[[Any, Any], Any]]:
    """Let a function answer these methods."""

    def register(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        ANSWERS.update(dict.fromkeys(methods, function))
        return function

    return register


def streams(*methods: str) -> Callable[[Callable[[Any, Any], Any]], Callable[[Any, Any], Any]]:
    """Let an asynchronous generator answer these methods."""

    def register(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        STREAMS.update(dict.fromkeys(methods, function))
        return function

    return register

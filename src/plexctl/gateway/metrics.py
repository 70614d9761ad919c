"""What `/metrics` counts, in Prometheus text. Labels are words of a fixed set: nothing a caller sends becomes one."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SESSION_BUCKETS = (1, 5, 15, 30, 60, 120, 240, 600, 1800, 3600)
_HANDSHAKE_BUCKETS = (0.01, 0.1, 0.5, 1, 2, 3, 5, 8, 13, 20, 40, 80, 120)


class Metrics:
    """One gateway's figures, in a registry of its own."""

    def __init__(self, deployment: str) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        registry = self._registry
        self.info = Gauge("plexctl_gateway_info", "The deployment.", ["deployment"], registry=registry)
        self.info.labels(deployment).set(1)
        self.refused = Counter(
            "plexctl_refused", "Callers turned away before a conversation.", ["why"], registry=registry
        )
        self.ended = Counter("plexctl_conversations_ended", "Conversations by close code.", ["code"], registry=registry)
        self.messages = Counter(
            "plexctl_caller_messages_dropped",
            "Callers' messages that were not forwarded.",
            ["why"],
            registry=registry,
        )
        self.audio = Counter("plexctl_bytes", "Bytes forwarded.", ["to"], registry=registry)
        self.deaths = Counter("plexctl_engine_deaths", "Engines that died.", ["engine"], registry=registry)
        self.session = Histogram(
            "plexctl_conversation_seconds",
            "Length of conversations.",
            buckets=_SESSION_BUCKETS,
            registry=registry,
        )
        self.handshake = Histogram(
            "plexctl_handshake_seconds",
            "From the caller's upgrade to the engine's handshake.",
            buckets=_HANDSHAKE_BUCKETS,
            registry=registry,
        )

    def watch(self, name: str, text: str, value: Callable[[], float]) -> None:
        """Add a gauge that is asked when somebody looks."""
        Gauge(name, text, registry=self._registry).set_function(value)

    def text(self) -> bytes:
        """Return the exposition text."""
        return generate_latest(self._registry)

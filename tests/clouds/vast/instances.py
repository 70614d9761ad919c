"""An instance: its life, what it shows of itself, and what it costs.

Sources of the shapes: vast-ai/vast-cli at 5567983 (tests of the ports map), skypilot#10518, and the instance in
vast-ai/docs at c624622. Its description calls `ports` an array of integers, which is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.clouds.vast.running import Container
from tests.clouds.vast.searching import Ask

STATES = (None, "created", "loading", "running", "stopped", "frozen", "exited", "rebooting", "unknown", "offline")
_AT_REST = ("stopped", "exited", "frozen", "offline", "unknown")


@dataclass
class Instance:
    """One rented ask."""

    id: int
    ask: Ask
    body: Mapping[str, Any]
    key: str
    log: Path
    started_at: float
    born: float = 0.0
    """Seconds since the epoch; `started_at` is by the clock that only ever goes on."""
    intended: str = "running"
    life: tuple[tuple[float, str | None], ...] = ((0.0, "running"),)
    """Seconds after it was told to run, and what it is from then on."""
    forced: str | None = ""
    """What it is whatever its life says; the empty text: nothing."""
    message: str = ""
    ports_as: str = "map"
    """`map`, `absent`, `null`, `array` (as the description has it)."""
    container: Container | None = None
    port: int = 0
    charged: float = 0.0
    """USD until `charged_at`."""
    charged_at: float = 0.0
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Its label."""
        return str(self.body.get("label") or "")

    def actual(self, now: float) -> str | None:
        """Return `actual_status`."""
        if self.forced != "":
            return self.forced
        if self.intended == "stopped":
            return "exited"
        return next(state for after, state in reversed(self.life) if now - self.started_at >= after)

    def rate(self, now: float) -> dict[str, float]:
        """Return what bills, in USD per hour: the GPU from when it runs until it is stopped, the disk always."""
        disk = {"disk": self.ask.storage_per_hour(self.body.get("disk", 8))}
        is_up = self.intended == "running" and self.actual(now) in ("running", "exited", "offline", "unknown")
        return disk | ({"gpu": float(self.body.get("price") or self.ask.dph_base)} if is_up else {})

    def row(self, now: float) -> dict[str, Any]:
        """Return what the API tells."""
        actual = self.actual(now)
        state = "running" if self.intended == "running" and actual not in _AT_REST else "stopped"
        return {
            "id": self.id,
            "label": self.label,
            "machine_id": self.ask.machine_id,
            "actual_status": actual,
            "intended_status": self.intended,
            "cur_state": state if self.intended == "stopped" else "running",
            "next_state": self.intended,
            "status_msg": self.message,
            "public_ipaddr": "127.0.0.1\n",
            "gpu_name": self.ask.gpu_name,
            "image_uuid": self.body["image"],
            "extra_env": [[name, value] for name, value in (self.body.get("env") or {}).items()],
            "instance_api_key": self.key,
            "jupyter_token": "canary-jupyter",
            "start_date": self.born,
            **self._ports(actual),
            **self.extra,
        }

    def _ports(self, actual: str | None) -> dict[str, Any]:
        if self.ports_as == "absent" or actual != "running":
            return {}
        shapes: dict[str, Any] = {
            "map": {"8998/tcp": [{"HostIp": "0.0.0.0", "HostPort": str(self.port)}]},
            "null": None,
            "array": [self.port],
        }
        return {"ports": shapes[self.ports_as]}

"""What Lambda calls the states of an instance, and what that means for a deployment. Pure.

Source: InstanceStatus of Lambda's OpenAPI description 1.10.0.
"""

from __future__ import annotations

from plexctl.model import Status
from plexctl.states import State
from plexctl_providers.lambda_cloud.answers import Instance

STATE_MAP: dict[str, tuple[State, str]] = {
    "booting": (State.CREATING, "Lambda boots the instance"),
    "active": (State.LOADING, "the instance is active"),
    "unhealthy": (State.FAILED, "Lambda calls the instance unhealthy; it bills until it is terminated"),
    "terminating": (State.STOPPED, "Lambda terminates the instance"),
    "terminated": (State.MISSING, "the instance was terminated"),
    "preempted": (State.FAILED, "Lambda took the instance away"),
}
"""What Lambda calls it, as a state and words; anything else is UNKNOWN."""
GONE = ("terminated", "preempted")
"""Nothing of it is left, and nothing bills."""
ENDING = (*GONE, "terminating")
"""It will not come back."""
ACTIVE, UNHEALTHY, TERMINATED = "active", "unhealthy", "terminated"


def status_of(instance: Instance) -> Status:
    """Return what Lambda alone tells; an active instance is looked at by ssh besides."""
    state, words = STATE_MAP.get(
        instance.status, (State.UNKNOWN, f"Lambda calls the instance {instance.status or 'nothing'}")
    )
    return Status(state, None, f"{words} ({instance.kind} in {instance.region})")

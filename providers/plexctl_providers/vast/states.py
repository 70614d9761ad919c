"""Vast's states as plexctl's. No I/O.

Sources: the states in vast-ai/docs at c624622; dstack and docker-hashcat#21 for those that never recover and for the
words of a bad host.
"""

from __future__ import annotations

from plexctl.model import Endpoint, Status
from plexctl.states import State
from plexctl_providers.vast.rows import Instance

EXITED = "exited"
"""Its process ended; its host can start it again."""

STATE_MAP: dict[str | None, State] = {
    None: State.CREATING,
    "created": State.CREATING,
    "loading": State.CREATING,
    "scheduling": State.CREATING,
    "rebooting": State.CREATING,
    "running": State.LOADING,
    "stopped": State.STOPPED,
    "frozen": State.STOPPED,
    EXITED: State.FAILED,
    "unknown": State.FAILED,
    "offline": State.FAILED,
}
"""`actual_status` to state; what is not here is UNKNOWN. The last three never become running by themselves."""
_WORDS: dict[str | None, str] = {
    None: "rented; its host has not answered yet",
    "created": "its container is being made",
    "loading": "the image is being pulled, which is not charged but for the disk",
    "scheduling": "waiting for its GPU",
    "rebooting": "starting again",
    "running": "running",
    "frozen": "frozen: its disk bills on",
    EXITED: "its container has ended, and the GPU bills on",
    "unknown": "its host has not been heard of for a while",
    "offline": "its host is offline",
}
_BAD_HOST = (
    "oci runtime create failed",
    "unsatisfied condition: cuda",
    "nvidia-container-cli",
    "no space left on device",
    "error response from daemon",
    "cuda_error_",
    "could not select device driver",
)
"""What Docker says on a host that will never start the container; in lower case."""
ENDED = (State.STOPPED, State.FAILED)
"""Nothing of it runs any more, or ever will."""
_NO_IMAGE = ("manifest unknown", "manifest for", "pull access denied", "unauthorized: authentication required")
"""What a registry says of an image that is not there, or is private; in lower case."""
_STOPPED = "stopped: its disk bills on"
_NOT_BY_US = "; if it was not you, it was outbid or the credit has run out"


def why_never(instance: Instance) -> str | None:
    """Return why the container will never start, in the host's words; None while it may."""
    said = instance.message.lower()
    if any(words in said for words in _NO_IMAGE):
        return f"its image cannot be pulled: {instance.message}"
    return f"its host cannot run it: {instance.message}" if any(words in said for words in _BAD_HOST) else None


def status_of(instance: Instance, endpoint: Endpoint | None) -> Status:
    """Say what is true of an instance; `endpoint` is known once it can be reached and trusted."""
    state = STATE_MAP.get(instance.actual, State.UNKNOWN)
    words = _WORDS.get(instance.actual, f"Vast calls it {instance.actual!r}, which nobody documents")
    if state is State.CREATING and (why := why_never(instance)) is not None:
        return Status(State.FAILED, None, why)
    if not instance.is_meant_to_run and state is not State.UNKNOWN:
        return _unwanted(instance, state, endpoint)
    if state is State.LOADING and endpoint is None:
        missing = "the gateway has not told its certificate yet" if instance.port else "its port is not mapped yet"
        return Status(State.CREATING, None, f"running; {missing}")
    if state is State.STOPPED:
        return Status(state, None, words if instance.actual == "frozen" else f"{_STOPPED}{_NOT_BY_US}")
    said = f": {instance.message}" if instance.message and instance.actual != "running" else ""
    return Status(state, endpoint, f"{words}{said}")


def _unwanted(instance: Instance, state: State, endpoint: Endpoint | None) -> Status:
    """Say what is true of what is meant to be stopped."""
    if state is State.LOADING:
        return Status(State.DRAINING, endpoint, "running; it is being stopped")
    return Status(State.STOPPED, None, f"{_STOPPED}{_NOT_BY_US if instance.actual is None else ''}")

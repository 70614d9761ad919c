"""What Google says of a service as plexctl's state. Pure."""

from __future__ import annotations

from plexctl.model import Status
from plexctl.states import State
from plexctl_providers.cloudrun.answers import Json
from plexctl_providers.cloudrun.errors import by_condition
from plexctl_providers.cloudrun.service_update import condition_of, endpoint_in, is_stopped

STATE_MAP: dict[str, State] = {
    "CONDITION_PENDING": State.CREATING,
    "CONDITION_RECONCILING": State.CREATING,
    "CONDITION_SUCCEEDED": State.LOADING,
    "CONDITION_FAILED": State.FAILED,
}
"""`terminalCondition.state`; anything else is UNKNOWN. Succeeded means that /livez answered: /health says the rest."""


def status_of(service: Json | None) -> Status:
    """Return the state. Raises the error that a failed condition means: quota, capacity, permission, image, secret.

    While Google brings a service to a new revision, the one before answers: that is CREATING, not what is asked for.
    """
    if service is None:
        return Status(State.MISSING, None, "Cloud Run has no such service")
    endpoint = endpoint_in(service)
    if is_stopped(service):
        return Status(State.STOPPED, endpoint, "disabled: 0 instances, nothing starts and nothing bills for being up")
    if service.get("deleteTime"):
        return Status(State.DRAINING, endpoint, "being deleted")
    condition = condition_of(service)
    state = STATE_MAP.get(str(condition.get("state")), State.UNKNOWN)
    words = " ".join(str(condition.get("message", "")).split())
    if state is State.FAILED:
        error = by_condition(f"Cloud Run could not start it: {words}", condition)
        if error is not None:
            raise error
    is_behind = service.get("generation", "1") != service.get("observedGeneration", "1")
    if state is State.LOADING and (is_behind or service.get("reconciling")):
        state = State.CREATING
    return Status(state, endpoint, words or f"Cloud Run says {condition.get('state', 'nothing yet')}")

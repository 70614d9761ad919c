"""What both ways to run on this machine share: where callers come in, the secrets, and what is said of the engine."""

from __future__ import annotations

from collections.abc import Mapping

from plexctl.errors import ConfigurationError, PreflightError
from plexctl.model import Endpoint, Finding, Level, Plan
from plexctl.secret import Secret
from plexctl.spec import Spec
from plexctl_providers._common.settings import ECHO

HOST = "127.0.0.1"
FIRST_PORT = 8998
STOP_GRACE_S = 25
"""Longer than the gateway drains, so that it ends its conversations in order."""
LAST_WORDS = 200
"""Lines of the log among which the reason of an orderly end is looked for."""


def where_from(spec: Spec) -> str:
    """Return where callers come in, for a reader."""
    port = spec.gateway.port
    return f"{HOST}:{port}" if port else f"the first free port of {HOST} from {FIRST_PORT}"


def endpoint_on(port: int | str) -> Endpoint:
    """Return the endpoint of a port on this machine."""
    address = f"{HOST}:{port}"
    return Endpoint(url=f"http://{address}", wss_url=f"ws://{address}/api/chat", tls="none")


def secrets_of(plan: Plan, supplied: Mapping[str, Secret]) -> dict[str, Secret]:
    """Return the plan's secrets. Raises PreflightError that names those without a value."""
    missing = [name for name in plan.secrets if name not in supplied]
    if missing:
        raise PreflightError(f"no value was supplied for {', '.join(missing)}")
    return {name: supplied[name] for name in plan.secrets}


def revealed(settings: Mapping[str, str], secrets: Mapping[str, Secret]) -> dict[str, str]:
    """Return the settings with the secrets in the clear, for the one call that starts a gateway.

    Raises ConfigurationError for a value that no environment can carry, without showing it.
    """
    whole = dict(settings) | {name: secret.reveal() for name, secret in secrets.items()}
    for name, value in whole.items():
        if "\0" in value:
            raise ConfigurationError(f"{name} holds a NUL character, which no environment can carry")
    return whole


def check_echo(spec: Spec) -> Finding:
    """Say that it is echo: as asked for, or for want of a GPU."""
    if spec.engine == ECHO:
        return Finding("engine", Level.OK, "echo: repeats the caller; it is not PersonaPlex")
    return Finding(
        "engine",
        Level.WARN,
        "no NVIDIA GPU on this machine: it runs `echo`, which repeats the caller and is not PersonaPlex",
        "name --engine echo to say so, or deploy where there is a GPU",
    )

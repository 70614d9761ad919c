"""The gateway's settings for a spec, which are the same wherever it runs; and the secrets that go with them."""

from __future__ import annotations

from plexctl.model import LABEL_PREFIX, MANAGED_BY, Offer
from plexctl.spec import Spec
from plexctl_providers._common.placeholders import EXPIRES_AT, ID, TOKEN, placeholder

ECHO = "echo"
PERSONAPLEX = "personaplex"
HUB_TOKEN = "HF_TOKEN"  # noqa: S105 - a name


def choose_engine(spec: Spec, offer: Offer) -> str:
    """Return the engine asked for, or the one that the offer can run."""
    return spec.engine or (PERSONAPLEX if offer.gpu else ECHO)


def gateway_settings(spec: Spec, engine: str) -> dict[str, str]:
    """Return the gateway's variables, without secrets, address, port and what is only known when it starts."""
    gateway = spec.gateway
    settings: dict[str, object] = {
        "PLEXCTL_ENGINE": engine,
        "PLEXCTL_ENGINES": gateway.engines,
        "PLEXCTL_DEPLOYMENT": spec.name,
        "PLEXCTL_IDLE_TIMEOUT_S": gateway.idle_timeout_s,
        "PLEXCTL_MAX_SESSION_S": gateway.max_session_s,
        "PLEXCTL_START_TIMEOUT_S": spec.limits.start_timeout_s,
        "PLEXCTL_VOICE": gateway.voice,
        "PLEXCTL_TEXT_PROMPT": gateway.text_prompt,
        "PLEXCTL_MODEL_REPO": spec.model.repo,
        "PLEXCTL_MODEL_REVISION": spec.model.revision,
        "PLEXCTL_SECRETS": ",".join(spec.secrets) or None,
        "PLEXCTL_CPU_OFFLOAD": "1" if spec.model.cpu_offload else None,
    }
    return {name: _plain(value) for name, value in settings.items() if value is not None} | spec.env


def remote_settings(spec: Spec, engine: str) -> dict[str, str]:
    """Return the gateway's variables for a deployment on somebody else's machine, secrets left out.

    The address, the port and the paths are the image's own (`plexctl.images`); the expiry is a placeholder.
    """
    settings = gateway_settings(spec, engine)
    if spec.limits.ttl_s is not None:
        settings["PLEXCTL_EXPIRES_AT"] = placeholder(EXPIRES_AT)
    return settings


def secret_names(spec: Spec, engine: str) -> tuple[str, ...]:
    """Return the secrets of a remote deployment: the access token always, the Hub's where there are weights."""
    implied = {TOKEN} if engine == ECHO else {TOKEN, HUB_TOKEN}
    return tuple(sorted({*spec.secrets, *implied}))


def label(spec: Spec) -> str:
    """Return the name that every resource of the deployment carries, its id a placeholder."""
    return f"{LABEL_PREFIX}{spec.name}-{placeholder(ID)}"


def labels(spec: Spec) -> dict[str, str]:
    """Return the labels for providers that have them."""
    return {MANAGED_BY[0]: MANAGED_BY[1], "plexctl-name": spec.name, "plexctl-id": placeholder(ID)}


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)

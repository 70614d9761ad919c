"""What is started on this machine: command line, environment and plan. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase

from plexctl.errors import ConfigurationError
from plexctl.model import Finding, Level, Offer, Plan, PlannedResource, Step
from plexctl.secret import Secret
from plexctl.spec import Spec
from plexctl_providers._common.settings import ECHO, choose_engine, gateway_settings

HOST = "127.0.0.1"
FIRST_PORT = 8998
PROCESS = "process"
"""The kind of the one resource."""

_INHERITED = (
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_*", "TZ", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT"),
    *("LD_LIBRARY_PATH", "DYLD_*", "CUDA_*", "NVIDIA_*", "TORCH*", "PYTORCH_*", "OMP_*", "MKL_*", "NO_CUDA_GRAPH"),
    *("HF_HOME", "HF_ENDPOINT", "HF_HUB_*", "XDG_CACHE_HOME", "SSL_CERT_*", "REQUESTS_CA_BUNDLE"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "PLEXCTL_TEST_*"),
)
"""Variables of the user's that the server needs. Everything else stays behind: other clouds' credentials above all."""


def build_environment(spec: Spec, offer: Offer) -> dict[str, str]:
    """Return the gateway's settings, without secrets and without what is only known when it starts."""
    python = spec.local.engine_python
    own = {"PLEXCTL_HOST": HOST} | ({} if python is None else {"PLEXCTL_ENGINE_PYTHON": python})
    return own | gateway_settings(spec, choose_engine(spec, offer))


def build_plan(spec: Spec, offer: Offer) -> Plan:
    """Lay out the one process that a local deployment is."""
    environment = build_environment(spec, offer)
    port = spec.gateway.port
    where = f"{HOST}:{port}" if port else f"the first free port of {HOST} from {FIRST_PORT}"
    body = {
        "argv": ["python", "-m", "plexctl.gateway"],
        "environment": environment,
        "port": port,
        "ttl_s": spec.limits.ttl_s,
    }
    return Plan(
        provider="local",
        deployment=spec.name,
        offer=offer,
        steps=(
            Step("listen", "port", where),
            Step("start", "gateway", "a detached process in its own session"),
            Step("start", "engine", environment["PLEXCTL_ENGINE"]),
        ),
        resources=(PlannedResource(PROCESS, spec.name, body),),
        secrets=spec.secrets,
    )


def child_environment(
    settings: Mapping[str, str], user: Mapping[str, str], secrets: Mapping[str, Secret], import_path: str
) -> dict[str, str]:
    """Return the whole environment of the gateway's process. The only place where its secrets are in the clear.

    Raises ConfigurationError for a value that no environment can carry, without showing it.
    """
    inherited = {name: value for name, value in user.items() if any(fnmatchcase(name, p) for p in _INHERITED)}
    revealed = {name: secret.reveal() for name, secret in secrets.items()}
    whole = inherited | {"PYTHONUNBUFFERED": "1", "PYTHONPATH": import_path} | dict(settings) | revealed
    for name, value in whole.items():
        if "\0" in value:
            raise ConfigurationError(f"{name} holds a NUL character, which no environment can carry")
    return whole


def check(spec: Spec, offer: Offer) -> list[Finding]:
    """Say which engine will run and what it lacks."""
    if choose_engine(spec, offer) == ECHO:
        if spec.engine == ECHO:
            return [Finding("engine", Level.OK, "echo: repeats the caller; it is not PersonaPlex")]
        return [
            Finding(
                "engine",
                Level.WARN,
                "no NVIDIA GPU on this machine: it runs `echo`, which repeats the caller and is not PersonaPlex",
                "name --engine echo to say so, or deploy where there is a GPU",
            )
        ]
    if spec.local.engine_python is None:
        return [
            Finding(
                "engine",
                Level.FAIL,
                "personaplex needs the Python of an environment with NVIDIA's server, and none is named",
                "set local.engine_python (PLEXCTL_ENGINE_PYTHON), or try --engine echo",
            )
        ]
    return [Finding("engine", Level.OK, f"personaplex, run by {spec.local.engine_python}")]

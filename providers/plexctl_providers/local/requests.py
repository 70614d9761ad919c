"""What is started on this machine: command line, environment and plan of a process; or a container's. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase

from plexctl.model import Finding, Level, Offer, Plan, PlannedResource, Step
from plexctl.secret import Secret
from plexctl.spec import Spec
from plexctl_providers._common.settings import ECHO, choose_engine, gateway_settings, label
from plexctl_providers.local import container_requests
from plexctl_providers.local.settings import HOST, check_echo, revealed, where_from

DOCKER = "docker"
"""The runtime in a container, by whichever engine speaks Docker's API."""
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
    """Lay out the one process, or the container with its network, that a local deployment is."""
    if spec.local.runtime == DOCKER:
        return container_requests.build_plan(spec, offer)
    environment = build_environment(spec, offer)
    body = {
        "argv": ["python", "-m", "plexctl.gateway"],
        "environment": environment,
        "port": spec.gateway.port,
        "ttl_s": spec.limits.ttl_s,
    }
    return Plan(
        provider="local",
        deployment=spec.name,
        offer=offer,
        steps=(
            Step("listen", "port", where_from(spec)),
            Step("start", "gateway", "a detached process in its own session"),
            Step("start", "engine", environment["PLEXCTL_ENGINE"]),
        ),
        resources=(PlannedResource(PROCESS, label(spec), body),),
        secrets=spec.secrets,
    )


def check(spec: Spec, offer: Offer) -> list[Finding]:
    """Say which engine will run, what it lacks, and what a reader must know of it."""
    return container_requests.check(spec, offer) if spec.local.runtime == DOCKER else check_engine(spec, offer)


def child_environment(
    settings: Mapping[str, str], user: Mapping[str, str], secrets: Mapping[str, Secret], import_path: str
) -> dict[str, str]:
    """Return the whole environment of the gateway's process, its secrets in the clear.

    Raises ConfigurationError for a value that no environment can carry, without showing it.
    """
    inherited = {name: value for name, value in user.items() if any(fnmatchcase(name, p) for p in _INHERITED)}
    own = {"PYTHONUNBUFFERED": "1", "PYTHONPATH": import_path}
    return revealed(inherited | own | dict(settings), secrets)


def check_engine(spec: Spec, offer: Offer) -> list[Finding]:
    """Say which engine a process will run and what it lacks."""
    if choose_engine(spec, offer) == ECHO:
        return [check_echo(spec)]
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

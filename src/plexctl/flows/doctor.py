"""`doctor`: what stands between this machine and a deployment, each with its fix.

Reads only, asks everybody side by side, and leaves behind who does not answer in time.
"""

from __future__ import annotations

import platform
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from email.utils import parsedate_to_datetime
from functools import partial
from typing import TYPE_CHECKING

from plexctl.contract import Login, LogsIn
from plexctl.errors import PlexError, PreflightError, UsageError
from plexctl.extras import check_extras, requirements
from plexctl.flows.doctor_ssh import check_ssh
from plexctl.flows.running import answer_of
from plexctl.flows.session import Session
from plexctl.model import Finding, Level
from plexctl.registry import OWN_HARDWARE
from plexctl.side_by_side import ask_all
from plexctl.spec import DEFAULT_REPOSITORY, Spec

if TYPE_CHECKING:
    from plexctl.licence import Token

DEADLINE_S = 8.0
"""For all checks together."""
GPU_DEADLINE_S = 125.0
"""For measuring a GPU, which loads torch first."""
_HUB_LIMIT_S = 5.0
_CLOCK_WARN_S = 30.0
_CLOCK_FAIL_S = 300.0
"""Signed requests of clouds are refused beyond five minutes."""
_ENGINES = ("docker", "podman")

Check = Callable[[], list[Finding]]


def examine(
    session: Session,
    hub_token: Callable[[], Token | None],
    settings: Callable[[], Spec],
    gpu_python: str | None = None,
) -> list[Finding]:
    """Return all findings, in a fixed order, within the deadline; with `gpu_python` its GPU is measured too.

    The provider in the settings is one that is used, as are those of recorded deployments.
    """
    used, wrong = _used(session, settings)
    checks: dict[str, Check] = {
        "python": check_python,
        "extras": lambda: check_extras(requirements()),
        "container": partial(check_container, session.environ),
        "ssh": partial(check_ssh, session.environ),
        "hugging-face": partial(check_hub, session.environ, hub_token),
        "clock": partial(compare_clock, session),
        **{f"credentials-{name}": partial(_check_provider, session, name, used) for name in session.providers.names()},
    }
    if gpu_python is not None:
        checks["gpu"] = partial(check_gpu, session, gpu_python)
    answers = ask_all(checks, DEADLINE_S if gpu_python is None else GPU_DEADLINE_S)
    return [*wrong, *(finding for name, answer in answers.items() for finding in _findings(name, answer))]


def log_in(session: Session, name: str, confirmed: Callable[[str], None]) -> tuple[Login, Finding]:
    """Ask a provider for credentials, have them confirmed, and see that they count; returns both.

    `confirmed` is given the address and returns when the user has been there. Raises UsageError for a provider without
    such a login, CredentialsError for what was not confirmed.
    """
    provider = session.provider(name)
    if not isinstance(provider, LogsIn):
        can = [one for one in session.providers.names() if _logs_in(session, one)]
        raise UsageError(f"{name} has no login to walk through", hint=f"these have: {', '.join(can) or 'none'}")
    login = provider.begin_login()
    confirmed(login.address)
    environ = {**session.environ, login.variable: login.value.reveal()}
    with_it = replace(session, environ=environ).provider(name)
    assert isinstance(with_it, LogsIn)  # noqa: S101 - it is of the same class
    return login, with_it.check_credentials()


def _logs_in(session: Session, name: str) -> bool:
    """Tell whether a provider has such a login; one that cannot be loaded has none."""
    try:
        return issubclass(session.providers.provider_class(name), LogsIn)
    except PlexError:
        return False


def verdict(findings: list[Finding]) -> None:
    """Raise PreflightError, with all findings, when one of them fails."""
    failed = [finding for finding in findings if finding.level is Level.FAIL]
    if failed:
        more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
        raise PreflightError(f"{failed[0].message}{more}", hint=failed[0].fix, data={"findings": dicts(findings)})


def dicts(findings: list[Finding]) -> list[dict[str, object]]:
    """Return findings as the JSON documents show them."""
    return [{"check": one.check, "level": one.level, "message": one.message, "fix": one.fix} for one in findings]


def check_python() -> list[Finding]:
    """Say which Python this is; plexctl does not start on one that is too old."""
    return [Finding("python", Level.OK, f"Python {platform.python_version()} on {platform.system()}")]


def check_container(environ: Mapping[str, str]) -> list[Finding]:
    """Say which container engine answers; only building images needs one."""
    found = []
    for name in _ENGINES:
        path = shutil.which(name, path=environ.get("PATH"))
        if path is None:
            continue
        version = _output([path, "version", "--format", "{{.Server.Version}}"], environ)
        if version:
            return [Finding("container", Level.OK, f"{name} {version}")]
        found.append(name)
    if found:
        words = f"{' and '.join(found)} is installed and does not answer"
        return [Finding("container", Level.WARN, words, f"start it, or see `{found[0]} info`")]
    return [Finding("container", Level.WARN, "no container engine", "install docker or podman to build images here")]


def check_hub(environ: Mapping[str, str], hub_token: Callable[[], Token | None]) -> list[Finding]:
    """Ask the Hub how it stands between the token and the model. No token is a warning: `echo` needs none."""
    from plexctl.flows import licence
    from plexctl.licence import State

    report = licence.ask(licence.question(environ, DEFAULT_REPOSITORY, None, hub_token()), _HUB_LIMIT_S)
    first, *rest = report.findings
    level = Level.WARN if report.state in (State.NO_TOKEN, State.OFFLINE) else first.level
    return [replace(first, check="hugging-face", level=level), *rest]


def compare_clock(session: Session) -> list[Finding]:
    """Ask the Hub for the time: any answer of a web server tells it."""
    from plexctl.licence import inputs
    from plexctl.wire import WireError, fetch

    url = f"{inputs.endpoint(session.environ)}/api/models/{DEFAULT_REPOSITORY}"
    try:
        told = fetch(url, timeout_s=_HUB_LIMIT_S).headers.get("date")
    except WireError:
        told = None
    return [check_clock(told, session.now())]


def check_clock(told: str | None, now: float) -> Finding:
    """Compare this machine's clock with the moment that a server told in its Date header."""
    try:
        off_s = now - parsedate_to_datetime(told or "").timestamp()
    except (ValueError, TypeError, OverflowError):
        return Finding("clock", Level.WARN, "not compared: nobody told the time", "check it against another clock")
    if abs(off_s) < _CLOCK_WARN_S:
        return Finding("clock", Level.OK, "the clock is right within 30 s")
    level = Level.FAIL if abs(off_s) >= _CLOCK_FAIL_S else Level.WARN
    words = f"the clock is {abs(off_s):.0f} s {'fast' if off_s > 0 else 'slow'}"
    return Finding("clock", level, words, "let NTP set it: signed requests are refused when it is wrong")


def check_gpu(session: Session, python: str) -> list[Finding]:
    """Measure this machine's GPU with a Python that has torch."""
    from plexctl.gpus import device_findings, probe_device, saved_measurements

    return list(device_findings(probe_device(python), measurements=saved_measurements(session.home)))


def _used(session: Session, settings: Callable[[], Spec]) -> tuple[frozenset[str], list[Finding]]:
    """Return the providers that are used here, and what is wrong with settings or journal."""
    try:
        return frozenset({settings().provider or "", *(record.ref.provider for record in session.records())}), []
    except PlexError as error:
        return frozenset(), [Finding("settings", Level.FAIL, error.message, error.hint)]


def _check_provider(session: Session, name: str, used: frozenset[str]) -> list[Finding]:
    """Let an adapter check its credentials by `check_credentials() -> Finding`, one cheap read-only call.

    What a provider lacks that nobody uses here is a warning: it need not have it.
    """
    check = f"credentials-{name}"
    try:
        provider = session.provider(name)
        ask = getattr(provider, "check_credentials", None)
        if ask is None:
            words = "needs no credentials" if name in OWN_HARDWARE else "brings no check of its credentials"
            return [Finding(check, Level.OK, f"{name} {words}")]
        found = replace(ask(), check=check)
    except PlexError as error:
        found = Finding(check, Level.FAIL, error.message, error.hint)
    if found.level is Level.FAIL and name not in used:
        found = replace(found, level=Level.WARN, message=f"{found.message} (nothing is deployed there)")
    return [found]


def _findings(name: str, answer: list[Finding] | Exception) -> list[Finding]:
    if not isinstance(answer, Exception):
        return answer
    if isinstance(answer, PlexError):
        return [Finding(name, Level.FAIL, answer.message, answer.hint)]
    if type(answer) is TimeoutError:
        return [Finding(name, Level.FAIL, f"{name}: {answer}", "check the network, then run doctor again")]
    # Named by its kind alone: its text might hold a secret.
    return [Finding(name, Level.FAIL, f"{name}: {type(answer).__name__}", "this is a bug: please report it")]


def _output(argv: list[str], environ: Mapping[str, str]) -> str:
    """Return the first line that a tool says, empty when it fails or takes too long."""
    code, said = answer_of(argv, environ)
    return said.partition("\n")[0][:80] if code == 0 else ""

"""`doctor`: what stands between this machine and a deployment, each with its fix.

Reads only, asks everybody side by side, and leaves behind who does not answer in time.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from functools import partial

from plexctl.errors import PlexError, PreflightError
from plexctl.extras import check_extras, requirements
from plexctl.flows.session import Session
from plexctl.model import Finding, Level
from plexctl.secret import Secret
from plexctl.side_by_side import ask_all
from plexctl.spec import DEFAULT_REPOSITORY

DEADLINE_S = 8.0
"""For all checks together."""
GPU_DEADLINE_S = 60.0
"""For measuring a GPU, which loads torch first."""
_TOOL_LIMIT_S = 4.0
_HUB_LIMIT_S = 5.0
_HUB = "https://huggingface.co"
_CLOCK_WARN_S = 30.0
_CLOCK_FAIL_S = 300.0
"""Signed requests of clouds are refused beyond five minutes."""
_REFUSED = (401, 403)
_OK = 200
_ENGINES = ("docker", "podman")
_TOKENS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HUGGINGFACE_API_KEY")

Check = Callable[[], list[Finding]]


def examine(session: Session, *, gpu: bool = False, deadline_s: float | None = None) -> list[Finding]:
    """Return all findings, in a fixed order, within the deadline."""
    checks: dict[str, Check] = {
        "python": check_python,
        "extras": lambda: check_extras(requirements()),
        "container": partial(check_container, session.environ),
        "ssh": partial(check_ssh, session.environ),
        "hugging-face": partial(check_hub, session),
        **{f"credentials-{name}": partial(_check_provider, session, name) for name in _providers()},
    }
    if gpu:
        checks["gpu"] = check_gpu
    limit_s = deadline_s or (GPU_DEADLINE_S if gpu else DEADLINE_S)
    answers = ask_all(checks, limit_s)
    return [finding for name, answer in answers.items() for finding in _findings(name, answer)]


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


def check_ssh(environ: Mapping[str, str]) -> list[Finding]:
    """Say whether there is an ssh client, which hosts and VMs need."""
    path = shutil.which("ssh", path=environ.get("PATH"))
    if path is None:
        return [Finding("ssh", Level.WARN, "no ssh client", "install openssh-client for hosts and VMs")]
    words = _output([path, "-V"], environ).partition(",")[0]
    return [Finding("ssh", Level.OK, words or "an ssh client is installed")]


def check_hub(session: Session) -> list[Finding]:
    """Ask the Hub who the token is, or whether the model's page is there; its answer also tells the time."""
    from plexctl.wire import WireError, fetch

    base = (session.environ.get("HF_ENDPOINT") or _HUB).rstrip("/")
    source, token = next(((name, value) for name in _TOKENS if (value := session.environ.get(name))), ("", None))
    url = f"{base}/api/whoami-v2" if token else f"{base}/api/models/{DEFAULT_REPOSITORY}"
    try:
        answer = fetch(url, token=Secret(token) if token else None, timeout_s=_HUB_LIMIT_S)
    except WireError as error:
        fix = "check the network and HF_ENDPOINT"
        clock = Finding("clock", Level.WARN, "not compared: nobody told the time", "check it against another clock")
        return [Finding("hugging-face", Level.FAIL, f"the Hub cannot be reached: {error.message}", fix), clock]
    return [_hub_finding(answer.status, source), check_clock(answer.headers.get("date"), session.now())]


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


def check_gpu() -> list[Finding]:
    """Measure this machine's GPU; only this needs torch."""
    from plexctl import gpus

    probe = getattr(gpus, "probe_device", None)
    if probe is None:
        return [Finding("gpu", Level.WARN, "this plexctl cannot measure a GPU", "upgrade plexctl")]
    return list(probe().findings)


def _hub_finding(status: int, source: str) -> Finding:
    if status == _OK and source:
        return Finding("hugging-face", Level.OK, f"the Hub knows the token of {source}")
    if status == _OK:
        words = "the Hub answers; no token is set, and the model is gated"
        return Finding(
            "hugging-face", Level.WARN, words, "export HF_TOKEN, from https://huggingface.co/settings/tokens"
        )
    if status in _REFUSED and source:
        fix = "make a new one at https://huggingface.co/settings/tokens"
        return Finding("hugging-face", Level.FAIL, f"the Hub refuses the token of {source}: HTTP {status}", fix)
    fix = "see https://status.huggingface.co, and check HF_ENDPOINT"
    return Finding("hugging-face", Level.FAIL, f"the Hub fails: HTTP {status}", fix)


def _providers() -> list[str]:
    from plexctl.registry import names

    return names()


def _check_provider(session: Session, name: str) -> list[Finding]:
    """Let an adapter check its credentials by `check_credentials() -> Finding`, one cheap read-only call."""
    check = getattr(session.provider(name), "check_credentials", None)
    if check is None:
        words = "needs no credentials" if name == "local" else "brings no check of its credentials"
        return [Finding(f"credentials-{name}", Level.OK, f"{name} {words}")]
    return [check()]


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
    try:
        done = subprocess.run(
            argv,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_TOOL_LIMIT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode("utf-8", "replace").strip().partition("\n")[0][:80]

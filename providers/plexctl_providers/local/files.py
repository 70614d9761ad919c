"""The plan for this machine as files: a container by Compose, and the process that a deploy starts. No I/O."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any, cast

from plexctl.images import CACHE, PORT, Profile, context_files, offline_files, profile_of
from plexctl.model import Plan
from plexctl.rendering import render
from plexctl.spec import Spec
from plexctl_providers._common.placeholders import EXPIRES_AT
from plexctl_providers._common.settings import PERSONAPLEX, choose_engine, remote_settings, secret_names
from plexctl_providers.local.container_requests import WEIGHTS, container_of
from plexctl_providers.local.container_requests import build_plan as container_plan
from plexctl_providers.local.requests import build_environment
from plexctl_providers.local.settings import FIRST_PORT, HOST, STOP_GRACE_S

_PLAIN = re.compile(r"[\w%+,./:=@-]+( [\w%+,./:=@-]+)*", re.ASCII)
"""What every reader of env files (Compose, `docker run`, a shell's `read`) takes for the same value."""

_ESCAPED = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "$": "$$"}
"""What a double-quoted YAML text writes otherwise; other characters that cannot be printed go by their number."""


def build_files(spec: Spec, plan: Plan) -> dict[str, str]:
    """Return everything to run it here without plexctl: path to text."""
    engine = choose_engine(spec, plan.offer)
    profile = profile_of(spec, plan.offer.gpu, plan.provider, engine=engine)
    settings = remote_settings(spec, engine)
    found = {f"image/{path}": text for path, text in context_files(spec, profile).items()}
    found["compose.yaml"] = _compose(spec, plan, profile, settings)
    found["plexctl.env"] = "".join(f"{name}={value}\n" for name, value in sorted(_plain(settings).items()))
    found["run.sh"] = _run(spec, plan)
    return found | (offline_files(spec) if engine == PERSONAPLEX else {})


def _compose(spec: Spec, plan: Plan, profile: Profile, settings: Mapping[str, str]) -> str:
    engine, plain = choose_engine(spec, plan.offer), _plain(settings)
    host = cast("Mapping[str, Any]", container_of(container_plan(spec, plan.offer)).body["HostConfig"])
    passed = [*secret_names(spec, engine), *([EXPIRES_AT] if EXPIRES_AT in settings else [])]
    values = {
        "image": spec.image.name or f"localhost/plexctl:{profile.name}",
        "is_built": spec.image.name is None,
        "has_gpu": engine == PERSONAPLEX,
        "published": f"{HOST}:{spec.gateway.port or FIRST_PORT}:{PORT}",
        "passed": passed,
        "stated": {name: _yaml(value) for name, value in sorted(settings.items()) if name not in {*plain, *passed}},
        "tmpfs": [f"{path}:{options}" for path, options in host["Tmpfs"].items()],
        "grace_s": STOP_GRACE_S,
        "cache": CACHE,
        "volume": WEIGHTS,
    }
    return render("container/compose.yaml.j2", values, spec.templates.folder)


def _run(spec: Spec, plan: Plan) -> str:
    environment = build_environment(spec, plan.offer)
    values = {
        "settings": {name: shlex.quote(value) for name, value in sorted(environment.items())},
        "secrets": spec.secrets,
        "port": spec.gateway.port or FIRST_PORT,
        "ttl_s": spec.limits.ttl_s,
    }
    return render("local/run.sh.j2", values, spec.templates.folder)


def _plain(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the settings that an env file can carry; those with quotes, `$`, `#` or line ends stand in Compose's."""
    return {name: value for name, value in settings.items() if _PLAIN.fullmatch(value)}


def _yaml(value: str) -> str:
    """Return a value as a double-quoted YAML text in which Compose replaces nothing."""
    return '"' + "".join(map(_in_yaml, value)) + '"'


def _in_yaml(character: str) -> str:
    if character in _ESCAPED:
        return _ESCAPED[character]
    return character if character.isprintable() else f"\\U{ord(character):08x}"

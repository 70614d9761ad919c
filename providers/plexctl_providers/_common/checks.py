"""What a spec must be like on anybody else's machine, whichever: found without asking anyone."""

from __future__ import annotations

from plexctl.images import PORT
from plexctl.model import Finding, Level
from plexctl.spec import Spec
from plexctl_providers._common.placeholders import names_in, placeholder


def check_remote(spec: Spec) -> list[Finding]:
    """Return what the spec asks that no remote deployment can do."""
    return [*_placeholders(spec), *_port(spec)]


def _placeholders(spec: Spec) -> list[Finding]:
    """Refuse texts of the user's that would be taken for placeholders: a secret could be filled in there."""
    named = names_in([spec.gateway.text_prompt or "", spec.gateway.voice or "", spec.env])
    if not named:
        return []
    words = f"the spec's own texts hold {placeholder(named[0])}, which stands for a value that plexctl fills in"
    return [Finding("text", Level.FAIL, words, f"write ${named[0]} without braces, or leave it out")]


def _port(spec: Spec) -> list[Finding]:
    if spec.gateway.port in (None, PORT):
        return []
    words = f"gateway.port {spec.gateway.port} is for this machine: elsewhere the image listens on {PORT}"
    return [Finding("port", Level.WARN, words, "leave gateway.port out")]


def check_ttl(spec: Spec, what: str) -> list[Finding]:
    """Say that the end of a deployment's time ends the gateway and leaves `what`, where that costs nothing idle."""
    if spec.limits.ttl_s is None:
        return []
    words = f"when its time is over the gateway ends, but the {what} stays: without callers it costs nothing"
    return [Finding("ttl", Level.WARN, words, "`plexctl destroy` removes it")]

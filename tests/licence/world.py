"""Who is who at the loopback Hub, and how plexctl is sent there."""

from __future__ import annotations

from collections.abc import Mapping

from tests.cli.process import Plexctl, Result
from tests.clouds.hub import Hub, personaplex

REPOSITORY = "nvidia/personaplex-7b-v1"
SMALL = "ann/small"
"""A gated model of a few bytes, which a gateway can fetch in no time."""
PAGE = f"https://huggingface.co/{REPOSITORY}"
TOKENS_PAGE = "https://huggingface.co/settings/tokens"
CANARY = "canary-9c2e"
"""Stands in every token, so that none can be shown unseen."""
ACCESS = {"ann": "granted", "pat": "pending", "rex": "rejected"}
TOTAL_BYTES = 17_135_060_945


def token(name: str) -> str:
    """Return the token of an account, or of a kind of trouble."""
    return f"hf_{CANARY}_{name}"


def populate(hub: Hub) -> None:
    """Add PersonaPlex and relatives, and people in every standing."""
    personaplex(hub, access=dict(ACCESS))
    terms = {"license": "cc-by-nc-4.0"}
    personaplex(hub, "kyutai/personaplex-rl-seamless", access=dict(ACCESS), card=terms)
    personaplex(hub, "kyutai/moshiko-pytorch-bf16", gated=False, card={"license": "cc-by-4.0"})
    small = {"config.json": b"{}", "model.safetensors": bytes(1000)}
    hub.add_repository(SMALL, small, gated="auto", access=dict(ACCESS))
    hub.add_repository("ann/notes", {"README.md": b"nothing", "config.json": b"{}"})
    hub.add_repository("ann/private", {"config.json": b"{}"}, private=True)
    for account in (*ACCESS, "bob"):
        hub.add_token(token(account), account)
    hub.add_token(token("expired"), "ann", is_expired=True)
    hub.add_token(token("narrow"), "ann", role="fineGrained", can_read_gated=False)
    hub.add_token(token("fine"), "ann", role="fineGrained")
    hub.add_token(token("write"), "ann", role="write")


def ask(cli: Plexctl, hub: Hub | None, who: str | None, *argv: str, env: Mapping[str, str] | None = None) -> Result:
    """Run check-license with somebody's token; assert that no output names any token."""
    surroundings = (hub.environment if hub else {}) | ({"HF_TOKEN": token(who)} if who else {}) | dict(env or {})
    result = cli("check-license", *argv, env=surroundings)
    assert CANARY not in result.stdout + result.stderr
    return result

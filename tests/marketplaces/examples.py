"""The specs and offers that both marketplaces are tested with."""

from __future__ import annotations

from plexctl.model import Finding, Level, Offer
from plexctl.spec import Gateway, Image, Limits, Model, RunPod, Spec, Vast

DIGEST = "ghcr.io/me/personaplex@sha256:" + "a" * 64
DEFAULT = Spec()
FULL = Spec(
    name="voice",
    engine="personaplex",
    model=Model(repo="me/mine", revision="main"),
    image=Image(name=DIGEST),
    gateway=Gateway(engines=2, voice="NATF2.pt", text_prompt="Be brief.", idle_timeout_s=90, max_session_s=3600),
    limits=Limits(start_timeout_s=600, ttl_s=28800),
    runpod=RunPod(
        data_centers=("EU-RO-1", "EU-CZ-1"),
        expose="tcp",
        disk_gb=30,
        network_volume="agv6w2qcg7",
        registry="clzdaifot0001l90809257ynb",
        console_secrets=("HF_TOKEN",),
    ),
    vast=Vast(
        disk_gb=80,
        countries=("DE", "FR"),
        min_reliability=0.995,
        min_download_mbps=500,
        verified=False,
        bid_usd_per_hour=0.25,
        template="4e17788f74f075dd9aab7d0d4427968f",
    ),
    env={"LOG_LEVEL": "debug"},
    secrets=("WEBHOOK",),
)
ECHO = Spec(name="trial", engine="echo", image=Image(name=DIGEST))

SETTINGS_BY_DEFAULT = {
    "PLEXCTL_ENGINE": "personaplex",
    "PLEXCTL_ENGINES": "auto",
    "PLEXCTL_DEPLOYMENT": "personaplex",
    "PLEXCTL_START_TIMEOUT_S": "1800",
    "PLEXCTL_MODEL_REPO": "nvidia/personaplex-7b-v1",
}
SETTINGS_IN_FULL = {
    "PLEXCTL_ENGINE": "personaplex",
    "PLEXCTL_ENGINES": "2",
    "PLEXCTL_DEPLOYMENT": "voice",
    "PLEXCTL_IDLE_TIMEOUT_S": "90",
    "PLEXCTL_MAX_SESSION_S": "3600",
    "PLEXCTL_START_TIMEOUT_S": "600",
    "PLEXCTL_VOICE": "NATF2.pt",
    "PLEXCTL_TEXT_PROMPT": "Be brief.",
    "PLEXCTL_MODEL_REPO": "me/mine",
    "PLEXCTL_MODEL_REVISION": "main",
    "PLEXCTL_SECRETS": "WEBHOOK",
    "LOG_LEVEL": "debug",
    "PLEXCTL_EXPIRES_AT": "${PLEXCTL_EXPIRES_AT}",
}
SETTINGS_OF_ECHO = {
    "PLEXCTL_ENGINE": "echo",
    "PLEXCTL_ENGINES": "auto",
    "PLEXCTL_DEPLOYMENT": "trial",
    "PLEXCTL_START_TIMEOUT_S": "1800",
    "PLEXCTL_MODEL_REPO": "nvidia/personaplex-7b-v1",
}


def offer(provider: str, gpu: str | None = "RTX 4090", *, region: str | None = None, **detail: str) -> Offer:
    """Return an offer of one GPU as the catalog makes them."""
    return Offer(provider, gpu, 1, region, 0.6, "a price list", "2026-11-20", detail)


def levels(findings: list[Finding]) -> dict[str, Level]:
    """Return check to level; a check that is named twice is a mistake of the test's."""
    by_check = {one.check: one.level for one in findings}
    assert len(by_check) == len(findings), findings
    return by_check


def failures(findings: list[Finding]) -> list[tuple[str, str]]:
    """Return the message and the fix of what fails. Nothing may fail without a fix."""
    failed = [one for one in findings if one.level is Level.FAIL]
    assert all(one.fix for one in failed)
    return [(one.message, one.fix or "") for one in failed]

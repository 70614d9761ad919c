"""What must be known of a spec before it goes to Modal: what cannot work, what costs, what is not as one may think."""

from __future__ import annotations

import re

from plexctl.errors import PreflightError
from plexctl.gpus import PERSONAPLEX_7B, Fit, budget, fit, image_profile, matching
from plexctl.model import Finding, Level, Offer
from plexctl.spec import Spec
from plexctl_providers._common.checks import check_remote, check_ttl
from plexctl_providers._common.offers import check_image, profile_for
from plexctl_providers._common.settings import ECHO, choose_engine
from plexctl_providers.modal.launch import LONGEST_SESSION_S, gpus, session_s

_PROVIDER = "modal"
_OBJECT_NAME = re.compile(r"[A-Za-z0-9._-]{1,63}")
"""What the client of Modal (`check_object_name`, 1.6.4) takes for apps, secrets and volumes."""
_COLD_START_S = 60
"""A start from a filled volume takes about a minute (others' reports, unmeasured)."""


def check(spec: Spec, offer: Offer) -> list[Finding]:
    """Return what Modal would refuse, and what a reader must know. Pure."""
    engine = choose_engine(spec, offer)
    found = [*check_remote(spec), _engine(engine), *([] if spec.image.name is None else check_image(spec))]
    if engine != ECHO:
        found += _gpus(spec, offer)
    return [*found, *_names(spec), _session(spec), *_scaling(spec), *_not_used(spec), *_later(engine)]


def _engine(engine: str) -> Finding:
    if engine == ECHO:
        return Finding("engine", Level.OK, "echo: no GPU, for cents; it repeats the caller and is not PersonaPlex")
    return Finding("engine", Level.OK, "personaplex; the weights are fetched without a GPU and kept in the volume")


def _later(engine: str) -> list[Finding]:
    """Say what a redeploy, a stop and a destroy will do, before anything exists."""
    redeploy = (
        "a redeploy cuts nobody off: the old container goes when its conversations have ended, and new callers get a "
        "new one; both bill until then"
    )
    stop = "`plexctl stop` stops the app and ends its conversations: nothing bills but what is stored"
    kept = "" if engine == ECHO else "; the volume with the weights stays for others, unless `--all` finds nobody"
    words = {"redeploy": redeploy, "stop": stop, "destroy": f"`plexctl destroy` removes app and secret{kept}"}
    return [Finding(check, Level.OK, text) for check, text in words.items()]


def _names(spec: Spec) -> list[Finding]:
    """Judge the names of the user's; an app's own, of 55 characters at most, is always taken."""
    asked = {"modal.volume": spec.modal.volume, "modal.environment": spec.modal.environment or "main"}
    fix = "use letters, digits, '-', '_' and '.', at most 63"
    return [
        Finding("name", Level.FAIL, f"{key} = {name!r} is no name that Modal takes", fix)
        for key, name in asked.items()
        if not _OBJECT_NAME.fullmatch(name)
    ]


def _gpus(spec: Spec, offer: Offer) -> list[Finding]:
    """Judge the fallbacks by the offer's image: one image must serve them all."""
    try:
        profile = profile_for(spec, offer)
    except PreflightError as error:
        return [Finding("gpu", Level.FAIL, f"{error}", "choose another with --gpu")]
    if profile.torch is None:
        words = f"image.profile is {profile.name}, in which there is no torch, and the engine is personaplex"
        return [Finding("image-profile", Level.FAIL, words, "leave image.profile unset, or name --engine echo")]
    found = []
    for name in gpus(spec, offer)[1:]:
        known = next(iter(matching(name.partition(":")[0], _PROVIDER)), None)
        if known is None:
            words = f"{name} is no GPU that plexctl knows: whether it serves is not checked"
            found.append(Finding("gpu-fallback", Level.WARN, words, "`plexctl gpus --provider modal` lists them"))
            continue
        needed = image_profile(known)
        if needed.name is None or fit(known.vram_gib, budget(PERSONAPLEX_7B)) is Fit.DOES_NOT_FIT:
            words = f"{name} cannot serve: {needed.reason if needed.name is None else 'too little memory'}"
            found.append(Finding("gpu-fallback", Level.FAIL, words, "take it out of modal.gpu_fallbacks"))
        elif needed.is_blackwell and profile.name != needed.name:
            words = f"{name} needs the image profile {needed.name}, and the image is {profile.name}"
            found.append(Finding("gpu-fallback", Level.FAIL, words, f'image.profile = "{needed.name}" serves all'))
    return found


def _session(spec: Spec) -> Finding:
    longest = session_s(spec)
    if longest > LONGEST_SESSION_S:
        words = f"conversations of {longest:g} s: Modal may cut them after {LONGEST_SESSION_S} s"
        return Finding("session", Level.WARN, words, f"set gateway.max_session_s to at most {LONGEST_SESSION_S}")
    default = "" if spec.gateway.max_session_s else ", since gateway.max_session_s is unset"
    return Finding("session", Level.OK, f"the gateway ends a conversation after {longest:g} s{default}")


def _scaling(spec: Spec) -> list[Finding]:
    modal, found = spec.modal, []
    if modal.min_containers:
        words = f"{modal.min_containers} container(s) bill all day, whether anybody talks or not"
        found.append(Finding("min-containers", Level.WARN, words, "modal.min_containers = 0 scales to zero"))
    if modal.min_containers > modal.max_containers:
        words = f"modal.min_containers {modal.min_containers} is above modal.max_containers {modal.max_containers}"
        found.append(Finding("containers", Level.FAIL, words, "raise modal.max_containers"))
    if modal.max_containers > 1:
        words = "a health check during a conversation may start one more of the containers allowed (unverified)"
        found.append(Finding("max-containers", Level.WARN, words, "modal.max_containers = 1 rules it out"))
    if modal.scaledown_window_s < _COLD_START_S:
        words = f"a container goes {modal.scaledown_window_s} s after its last request, maybe before it has loaded"
        found.append(Finding("scaledown", Level.WARN, words, f"{_COLD_START_S} s or more outlast a cold start"))
    if modal.regions:
        words = f"only {', '.join(modal.regions)}: Modal takes more for a fixed region, and starts later there"
        found.append(Finding("regions", Level.WARN, words, "leave modal.regions empty unless callers are far away"))
    return found


def _not_used(spec: Spec) -> list[Finding]:
    found = check_ttl(spec, "app")
    if spec.gateway.idle_timeout_s is not None:
        words = "gateway.idle_timeout_s is not used: Modal ends idle containers after modal.scaledown_window_s"
        found.append(Finding("idle-timeout", Level.WARN, words, "set modal.scaledown_window_s"))
    return found

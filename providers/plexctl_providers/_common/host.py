"""A Linux host that is reached by ssh: what is copied to it, what runs there, and what a reader must know. Pure.

The same for hosts of one's own and for virtual machines. A plan holds the small files word for word and the settings
of `bootstrap.sh`; `bundle_files` makes all files from the plan alone, for `render` and for a deploy alike.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import cast

from plexctl.images import CACHE, PORT, PROFILES, Profile, layout, upstream
from plexctl.images.context import context_files
from plexctl.model import Finding, Level, Offer, Plan, PlannedResource, Step
from plexctl.rendering import render
from plexctl.spec import Image, Spec, Templates
from plexctl_providers._common.checks import check_remote
from plexctl_providers._common.files import resource
from plexctl_providers._common.host_environment import environment_text
from plexctl_providers._common.offers import profile_for
from plexctl_providers._common.placeholders import placeholder
from plexctl_providers._common.settings import ECHO, choose_engine, label, remote_settings, secret_names

FILES = "host-files"
SECRETS = "host-secrets"
"""Kinds of the two resources on a host."""
STATE = "/var/lib/plexctl"
BUNDLE = f"{STATE}/bundle"
HOST_CACHE = f"{STATE}/cache"
"""The image's CACHE on the host: in a folder that is surely plexctl's own."""
OWNER = "deployment"
"""Says whose the host is: the deployment's label, then what one must know to reach it. In the bundle, and in STATE."""
SECRETS_FILE = "/etc/plexctl/secrets.env"
DESTINATION, HOST_KEY, GATEWAY_PORT = "destination", "host_key", "gateway_port"
JUMP, IDENTITY, ACCEPTED = "jump", "identity", "accepted"
"""Names in the detail of both: user@host[:port], the public key that it showed, the gateway's port on its loopback; the
jump host, the user's own key file, and the fingerprints that the user accepted, separated by commas."""
SERVICE = "plexctl-gateway.service"
CERTIFICATE = "/etc/plexctl/tls/certificate"
CERTIFICATE_NAME = "plexctl.internal"
"""What a self-made certificate is for; it is trusted by its fingerprint, not by this."""
ADDRESS = "ip"
"""`host.public` for a bare address."""
PUBLIC_IP = "PLEXCTL_PUBLIC_IP"
"""The host's public address, which is known when it is there."""
_DRIVERS = {"12.1": "530", "12.8": "570", "13.0": "580"}
"""CUDA to the oldest driver for it (NVIDIA's CUDA release notes, from memory, not verified)."""
_BLACKWELL = 100
"""Kernels for it run on what came after as well, as far as anybody knows."""
_DISK_GB = 40
_ECHO_DISK_GB = 2


def host_resources(spec: Spec, offer: Offer, *, cache: str = HOST_CACHE) -> tuple[PlannedResource, ...]:
    """Return what will be on the host because of plexctl."""
    secrets = secret_names(spec, choose_engine(spec, offer))
    files = {
        "folder": BUNDLE,
        "argv": ["sudo", "--non-interactive", "bash", f"{BUNDLE}/bootstrap.sh"],
        "bootstrap": _bootstrap_settings(spec, offer, cache),
        "files": _small_files(spec, offer, cache),
        "image": {"base": spec.image.base, "templates": spec.templates.folder},
        "ttl_s": spec.limits.ttl_s,
    }
    hidden = {
        "path": SECRETS_FILE,
        "mode": "0600",
        "owner": "root:root",
        "variables": {name: placeholder(name) for name in secrets},
    }
    return PlannedResource(FILES, label(spec), files), PlannedResource(SECRETS, SECRETS_FILE, hidden)


def host_steps(spec: Spec, offer: Offer) -> tuple[Step, ...]:
    """Return what happens once the host is there and its key is known."""
    names = ", ".join(secret_names(spec, choose_engine(spec, offer)))
    where = "an ssh tunnel"
    if spec.host.public is not None:
        where = "https on port 443 of " + ("its address" if spec.host.public == ADDRESS else spec.host.public)
    return (
        Step("copy", "bundle", f"bootstrap.sh, unit, settings and sources to {BUNDLE}"),
        Step("copy", "secrets", f"{names} by sftp to {SECRETS_FILE}, mode 0600"),
        Step("run", "bootstrap.sh", "detached from the connection, stage by stage; resumed where it was broken off"),
        Step("wait", "gateway", f"until /health says ready, {spec.limits.start_timeout_s:g} s at most"),
        Step("probe", "endpoint", f"speech is sent and heard, through {where}"),
    )


def bundle_files(plan: Plan) -> dict[str, str]:
    """Return everything that is copied to the host, path below the bundle's folder to text; no secrets among it."""
    body = resource(plan, FILES).body
    settings = cast("Mapping[str, str]", body["bootstrap"])
    made_of = cast("Mapping[str, str]", body["image"])
    quoted = {name: shlex.quote(value) for name, value in settings.items()}
    script = render("host/bootstrap.sh.j2", {"settings": quoted}, made_of["templates"])
    spec = Spec(image=Image(base=made_of["base"]), templates=Templates(folder=made_of["templates"]))
    image = context_files(spec, PROFILES[settings["PROFILE"]])
    inside = {f"image/{path}": text for path, text in image.items()}
    return {"bootstrap.sh": script} | cast("dict[str, str]", body["files"]) | inside


def secrets_text(plan: Plan) -> str:
    """Return the secrets file with placeholders for the values."""
    return environment_text(cast("Mapping[str, str]", resource(plan, SECRETS).body["variables"]))


def check_host(spec: Spec, offer: Offer) -> list[Finding]:
    """Say what holds for every host: which engine, what it costs when it ends itself, and who can reach it."""
    engine = choose_engine(spec, offer)
    found = [Finding("engine", Level.OK, f"{engine}, in profile {profile_for(spec, offer).name}")]
    if engine == ECHO and spec.engine is None:
        words = "no GPU is known there: it would run `echo`, which repeats the caller and is not PersonaPlex"
        found = [Finding("engine", Level.WARN, words, "name the GPU with --gpu, or the engine with --engine")]
    elif engine != ECHO and profile_for(spec, offer).name == ECHO:
        words = "image.profile echo has no torch, and the engine personaplex needs it"
        found = [Finding("engine", Level.FAIL, words, "leave image.profile out, or pass --engine echo")]
    if spec.host.public == ADDRESS:
        words = "a certificate for a bare address needs Caddy 2.10 on the host; else callers pin a self-made one"
        found.append(Finding("tls", Level.WARN, words, "name a domain in host.public for browsers"))
    return [*check_remote(spec), *found]


def check_lifetime(spec: Spec, bills: str) -> list[Finding]:
    """Say that the end of a deployment's time ends the gateway and not the bill, where there is such a time."""
    if spec.limits.ttl_s is None and spec.gateway.idle_timeout_s is None:
        return []
    words = f"at the end of its time the gateway ends, but {bills}"
    return [Finding("lifetime", Level.WARN, words, "`plexctl destroy` ends the bill")]


def _bootstrap_settings(spec: Spec, offer: Offer, cache: str) -> dict[str, str]:
    profile = profile_for(spec, offer)
    is_echo = choose_engine(spec, offer) == ECHO
    return {
        "ENGINE": choose_engine(spec, offer),
        "RUNTIME": spec.host.runtime,
        "PROFILE": profile.name,
        "IMAGE": spec.image.name or "",
        "PORT": _port(spec),
        "CACHE": cache,
        "DISK_GB": str(_ECHO_DISK_GB if is_echo else _DISK_GB),
        "PUBLIC": "" if spec.host.public is None else "address" if spec.host.public == ADDRESS else "domain",
        "CERTIFICATE_NAME": CERTIFICATE_NAME if spec.host.public == ADDRESS else "",
        **_needs_of(PROFILES[ECHO] if is_echo else profile),
    }


def _needs_of(profile: Profile) -> dict[str, str]:
    """Return what the profile asks of machine and GPU, and what its environment is made of; empty: nothing."""
    newest = max((int(name.removeprefix("sm_")) for name in profile.architectures), default=_BLACKWELL)
    has_torch = profile.torch is not None
    return {
        "MACHINE": profile.machine if has_torch else "",
        "CUDA": profile.cuda or "",
        "DRIVER": _DRIVERS.get(profile.cuda or "", ""),
        "NEWEST_GPU": f"{newest // 10}.{newest % 10}" if newest < _BLACKWELL else "",
        "TORCH": (profile.torch or "").partition("==")[2],
        "ARCHITECTURES": " ".join(profile.architectures),
        "UPSTREAM_ARCHIVE": upstream.ARCHIVE if has_torch else "",
        "UPSTREAM_FOLDER": upstream.FOLDER if has_torch else "",
        "UPSTREAM_SHA256": upstream.SHA256 if has_torch else "",
    }


def _small_files(spec: Spec, offer: Offer, cache: str) -> dict[str, str]:
    """Return what a reader wants to see: settings, units, and Caddy's file."""
    folder = spec.templates.folder
    engine = choose_engine(spec, offer)
    variables = remote_settings(spec, engine)
    runtimes = ("docker", "python") if spec.host.runtime == "auto" else (spec.host.runtime,)
    values = {
        "label": label(spec),
        "image": spec.image.name or f"localhost/plexctl:{profile_for(spec, offer).name}",
        "names": sorted({*variables, *secret_names(spec, engine)}),
        "has_gpu": engine != ECHO,
        "port": _port(spec),
        "image_port": PORT,
        "cache": cache,
        "image_cache": CACHE,
        "layout": layout,
        "secrets": SECRETS_FILE,
    }
    units = {
        f"units/{runtime}/{SERVICE}": render(f"host/{SERVICE}.j2", values | {"runtime": runtime}, folder)
        for runtime in runtimes
    }
    mine = {OWNER: _owner(spec), "plexctl.env": environment_text(variables)}
    return mine | units | _caddy_files(spec, folder)


def _owner(spec: Spec) -> str:
    public = "" if spec.host.public is None else f"public {spec.host.public}\n"
    return f"{label(spec)}\nport {_port(spec)}\n{public}"


def _caddy_files(spec: Spec, folder: str) -> dict[str, str]:
    if spec.host.public is None:
        return {}
    is_address = spec.host.public == ADDRESS
    site = placeholder(PUBLIC_IP) if is_address else spec.host.public
    values = {"site": site, "port": _port(spec), "is_address": is_address, "certificate_name": CERTIFICATE_NAME}
    unit = render("host/plexctl-caddy.service.j2", {"label": label(spec)}, folder)
    files = {
        "caddy/Caddyfile": render("host/Caddyfile.j2", values | {"certificate": None}, folder),
        "caddy/plexctl-caddy.service": unit,
    }
    if is_address:
        files["caddy/Caddyfile.pinned"] = render("host/Caddyfile.j2", values | {"certificate": CERTIFICATE}, folder)
    return files


def _port(spec: Spec) -> str:
    return str(spec.gateway.port or PORT)

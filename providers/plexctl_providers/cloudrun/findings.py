"""What must be known of a spec before it goes to Cloud Run: what it would refuse, what it costs, what is unverified."""

from __future__ import annotations

import re

from plexctl.errors import PreflightError
from plexctl.model import Finding, Level, Offer
from plexctl.spec import Spec
from plexctl_providers._common.checks import check_remote, check_ttl
from plexctl_providers._common.offers import check_image, profile_for
from plexctl_providers._common.placeholders import ID, placeholder
from plexctl_providers._common.settings import ECHO, choose_engine, label
from plexctl_providers.cloudrun.accelerators import (
    ACCELERATORS,
    ROOMY_GIB,
    Accelerator,
    accelerator_of,
    cpu_and_memory_gib,
    region_of,
)
from plexctl_providers.cloudrun.names import LONGEST_SERVICE
from plexctl_providers.cloudrun.service import LONGEST_SESSION_S, concurrency, session_s

_ID_LENGTH = 6
_QUOTA_GIB = 40
"""Memory of all instances in one region that new projects have (googlecodelabs/feedback #1856, #2311)."""
_GIB_PER_CPU = 4
"""The most memory that a CPU may have; from memory of Google's page on memory limits, not verified."""
_PATTERNS = {
    "project": re.compile(r"[a-z][a-z0-9-]{4,28}[a-z0-9]"),
    "repository": re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?"),
    "bucket": re.compile(r"[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]"),
    "service_account": re.compile(r"[a-z0-9-]+@[a-z0-9.:-]+"),
}
"""What Google takes as names (its pages on projects, repositories and buckets)."""
_RESERVED = re.compile(r"PORT|K_SERVICE|K_REVISION|K_CONFIGURATION|X_GOOGLE_.*")
"""Variables that are Cloud Run's own (its page on the container contract, from memory)."""
_PULLED = re.compile(r"([a-z0-9-]+\.pkg\.dev|([a-z]+\.)?gcr\.io|docker\.io)/.+|[^/.]+(/[^/]+)?")
"""Registries that Cloud Run pulls from by itself; from memory of its page on deploying images."""


def check(spec: Spec, offer: Offer) -> list[Finding]:
    """Return what Google would refuse, and what a reader must know. Pure."""
    found = [*check_remote(spec), *_names(spec), _project(spec), *_image(spec)]
    if choose_engine(spec, offer) == ECHO:
        found.append(
            Finding("engine", Level.OK, "echo: no GPU, for cents; it repeats the caller, it is not PersonaPlex")
        )
    else:
        found += [*_gpu(spec, offer), _weights(spec)]
    return [
        *found,
        *_size(spec, offer),
        _session(spec),
        *_scaling(spec),
        *_access(spec),
        *_later(spec),
        *_not_used(spec),
    ]


def _names(spec: Spec) -> list[Finding]:
    found = []
    length = len(label(spec)) - len(placeholder(ID)) + _ID_LENGTH
    if length > LONGEST_SERVICE:
        shorter = len(spec.name) - (length - LONGEST_SERVICE)
        words = f"the service would be called by {length} characters, and Cloud Run takes {LONGEST_SERVICE}"
        found.append(Finding("name", Level.FAIL, words, f"choose a name of at most {shorter} characters"))
    if "google" in spec.name or spec.name.startswith("goog"):
        words = f"buckets would be called after {spec.name}, and none may be called after Google"
        found.append(Finding("name", Level.FAIL, words, "choose another name"))
    for key, pattern in _PATTERNS.items():
        value = getattr(spec.cloudrun, key)
        if value is not None and not pattern.fullmatch(value):
            words = f"cloudrun.{key} = {value!r} is no name that Google takes"
            found.append(Finding("name", Level.FAIL, words, f"it must be as {pattern.pattern}"))
    taken = [name for name in (*spec.env, *spec.secrets) if _RESERVED.fullmatch(name)]
    if taken:
        words = f"Cloud Run sets {', '.join(taken)} itself and takes none of ours"
        found.append(Finding("variables", Level.FAIL, words, "give them other names"))
    return found


def _project(spec: Spec) -> Finding:
    if spec.cloudrun.project is None:
        words = "no project is named: GOOGLE_CLOUD_PROJECT's, else that of your credentials, is taken"
        return Finding("project", Level.WARN, words, "set cloudrun.project (PLEXCTL_GOOGLE_PROJECT)")
    return Finding("project", Level.OK, spec.cloudrun.project)


def _image(spec: Spec) -> list[Finding]:
    if spec.image.name is None:
        return [Finding("image", Level.OK, "built by Cloud Build from image/, kept in Artifact Registry")]
    found = check_image(spec)
    if not _PULLED.fullmatch(spec.image.name):
        words = f"Cloud Run pulls from Artifact Registry and Docker Hub (unverified), not {spec.image.name}"
        fix = "leave image.name unset and Cloud Build makes it, or push it to Artifact Registry"
        found.append(Finding("image-registry", Level.WARN, words, fix))
    return found


def _gpu(spec: Spec, offer: Offer) -> list[Finding]:
    found = accelerator_of(offer)
    if found is None:
        words = f"Cloud Run has no {offer.gpu}; it has {', '.join(ACCELERATORS)}"
        return [Finding("gpu", Level.FAIL, words, "name --gpu L4 or --gpu 'RTX PRO 6000'")]
    findings = []
    if offer.count > 1:
        words = f"{offer.count} GPUs: an instance has one"
        findings.append(Finding("gpu", Level.FAIL, words, "take offers of one GPU"))
    quota = "zonal redundancy" if spec.cloudrun.zonal_redundancy else "no zonal redundancy"
    words = f"GPUs ({quota}) need quota in {region_of(offer)}, and new projects have none"
    findings.append(Finding("gpu-quota", Level.WARN, words, "ask for it on the project's page of quotas"))
    return [*findings, *_region(offer, found), *_profile(spec, offer, found)]


def _region(offer: Offer, gpu: Accelerator) -> list[Finding]:
    region = region_of(offer)
    if region in gpu.regions:
        return []
    if region in gpu.invited:
        words = f"{gpu.name} in {region} is by invitation of Google's"
        return [Finding("region", Level.WARN, words, f"open to all are {', '.join(gpu.regions)}")]
    words = f"there is no {gpu.name} in {region}"
    return [Finding("region", Level.FAIL, words, f"choose of {', '.join(gpu.regions)} with --region")]


def _profile(spec: Spec, offer: Offer, gpu: Accelerator) -> list[Finding]:
    try:
        profile = profile_for(spec, offer)
    except PreflightError as error:
        return [Finding("image-profile", Level.FAIL, f"{error}", error.hint)]
    if profile.name in gpu.profiles:
        return []
    words = f"the image profile {profile.name} does not run on {gpu.name}, whose driver is {gpu.driver}"
    return [Finding("image-profile", Level.FAIL, words, f"leave image.profile unset: {', '.join(gpu.profiles)} it is")]


def _weights(spec: Spec) -> Finding:
    if spec.cloudrun.weights == "memory":
        words = "in memory: 17 GB come from the Hub at each cold start, at a GPU's price, and are held in billed memory"
        return Finding("weights", Level.WARN, words, 'cloudrun.weights = "bucket" fetches them once')
    words = "in a bucket: fetched once, about 0.35 USD a month (0.02 USD a GB; from memory), read at each cold start"
    return Finding("weights", Level.OK, words)


def _size(spec: Spec, offer: Offer) -> list[Finding]:
    """Judge CPU and memory of one instance, and of all together."""
    cpu, memory_gib = cpu_and_memory_gib(spec, offer)
    gpu = None if choose_engine(spec, offer) == ECHO else accelerator_of(offer)
    found = []
    if gpu and (cpu < gpu.min_cpu or memory_gib < gpu.min_memory_gib):
        least = f"{gpu.min_cpu} CPU and {gpu.min_memory_gib} GiB"
        words = f"{cpu} CPU and {memory_gib} GiB: {gpu.name} asks for {least} at least"
        found.append(Finding("resources", Level.FAIL, words, "leave cloudrun.cpu and cloudrun.memory_gib unset"))
    if memory_gib > cpu * _GIB_PER_CPU:
        words = f"{memory_gib} GiB with {cpu} CPU: Cloud Run gives {_GIB_PER_CPU} GiB a CPU at most (unverified)"
        found.append(Finding("resources", Level.WARN, words, f"set cloudrun.cpu = {-(-memory_gib // _GIB_PER_CPU)}"))
    if gpu and memory_gib < ROOMY_GIB:
        level = Level.FAIL if spec.cloudrun.weights == "memory" else Level.WARN
        words = f"{memory_gib} GiB: the weights (17 GB) pass through memory on their way, in a bucket too"
        found.append(Finding("memory", level, words, f"{ROOMY_GIB} GiB are enough"))
    total = memory_gib * spec.cloudrun.max_instances
    if total > _QUOTA_GIB:
        words = f"{spec.cloudrun.max_instances} x {memory_gib} GiB are over the {_QUOTA_GIB} GiB of a new project"
        fix = "ask for quota (MemAllocPerProjectRegion)"
        fits = _QUOTA_GIB // memory_gib
        fix += f", or set cloudrun.max_instances = {fits}" if fits else ": a single instance needs it"
        found.append(Finding("memory-quota", Level.WARN, words, fix))
    return found


def _session(spec: Spec) -> Finding:
    asked = spec.gateway.max_session_s
    if asked is not None and asked > LONGEST_SESSION_S:
        words = f"conversations end after {LONGEST_SESSION_S} s, not {asked:g}: Cloud Run cuts them at an hour"
        return Finding("session", Level.WARN, words, "callers connect again, or take a provider without such a limit")
    return Finding("session", Level.OK, f"the gateway ends a conversation after {session_s(spec):g} s")


def _scaling(spec: Spec) -> list[Finding]:
    run, found = spec.cloudrun, []
    if run.min_instances > run.max_instances:
        words = f"cloudrun.min_instances {run.min_instances} is above cloudrun.max_instances {run.max_instances}"
        found.append(Finding("instances", Level.FAIL, words, "raise cloudrun.max_instances"))
    if run.min_instances:
        words = f"{run.min_instances} instance(s) bill all day: about 1,000 USD a month each with an L4"
        found.append(Finding("min-instances", Level.WARN, words, "cloudrun.min_instances = 0 scales to zero"))
    if run.max_instances > 1:
        words = f"an instance takes {concurrency(spec)} requests before another starts: a second caller may hear busy"
        found.append(Finding("max-instances", Level.WARN, words, "callers that hear busy try again (Retry-After)"))
    return found


def _access(spec: Spec) -> list[Finding]:
    if not spec.cloudrun.private:
        return [Finding("callers", Level.OK, "anybody may call; the gateway asks for its token")]
    words = (
        "Google checks callers too: its identity token goes into X-Serverless-Authorization, and no browser sends it; "
        "plexctl is refused as well: deploy with --no-probe"
    )
    return [Finding("callers", Level.WARN, words, "cloudrun.private = false leaves it to the access token")]


def _later(spec: Spec) -> list[Finding]:
    """Say what a redeploy, a stop and a destroy will do, before anything exists."""
    kept = "the secrets" if spec.image.name else "image, repository and secrets"
    redeploy = (
        "a redeploy cuts nobody off: the old revision finishes its conversations, new callers get the new one; "
        "with quota for one GPU the new one starts when the old one has ended (unverified)"
    )
    stop = "`plexctl stop` sets 0 instances without a new revision: nothing bills but what is stored"
    destroy = f"`plexctl destroy` keeps {kept} for the next deploy, at cents a month; --all removes them too"
    words = {"redeploy": redeploy, "stop": stop, "destroy": destroy}
    return [Finding(check, Level.OK, said) for check, said in words.items()]


def _not_used(spec: Spec) -> list[Finding]:
    found = check_ttl(spec, "service")
    if spec.gateway.idle_timeout_s is not None:
        words = "gateway.idle_timeout_s is not used: Cloud Run ends idle instances after about 15 minutes"
        found.append(Finding("idle-timeout", Level.WARN, words, "cloudrun.min_instances = 0 lets all of them go"))
    return found

"""Images: building and pushing them, and which one a deployment runs.

The image of a profile is known by the hash of everything that it is built from (the label `plexctl.context`), so that
the same sources are built once. What is recorded was read back from the engine and the registry.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from msgspec import structs

from plexctl import __version__
from plexctl.errors import UsageError
from plexctl.flows.observe import iso
from plexctl.flows.session import Session
from plexctl.images import Profile, context_files, profile_of
from plexctl.images.archive import context_hash
from plexctl.images.engine import Engine, Image, Recipe, split_reference
from plexctl.journal import ImageRecord
from plexctl.model import MANAGED_BY, Offer
from plexctl.spec import Spec

CONTEXT = "plexctl.context"
"""Label with the hash of the files and arguments that an image was built from."""
PROFILE = "plexctl.profile"
HERE = "plexctl/personaplex"
"""Repository of images that are not pushed."""
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
LOCAL, _DOCKER = "local", "docker"


@dataclass(frozen=True, slots=True)
class Order:
    """What to build: the profile, its tag (profile and version when None), and whether to push it."""

    profile: Profile
    tag: str | None = None
    push: bool = False
    use_cache: bool = True


@dataclass(frozen=True, slots=True)
class Planned:
    """Everything that decides what is built, and its names."""

    profile: Profile
    files: Mapping[str, str]
    build_args: Mapping[str, str]
    context: str
    names: tuple[str, ...]
    """The local name, and the one in the spec's own repository."""


@dataclass(frozen=True, slots=True)
class Built:
    """An image that the engine has. `changed`: it was built or pushed now."""

    record: ImageRecord
    image: Image
    changed: bool
    pushed: bool
    seconds: float

    def to_dict(self) -> dict[str, object]:
        """Return it as the JSON document shows it."""
        repository = split_reference(self.record.reference)[0]
        return {
            **image_dict(self.record),
            "pushed": self.pushed,
            "repository": repository,
            "size_bytes": self.image.size_bytes,
            "seconds": round(self.seconds, 1),
            "changed": self.changed,
        }


def image_dict(record: ImageRecord) -> dict[str, object]:
    """Return a recorded image as the JSON documents show it."""
    return {
        "image": record.pinned or record.reference,
        "tag": record.reference,
        "id": record.id,
        "digest": record.digest,
        "profile": record.profile,
        "context": record.context,
        "built_at": iso(record.built_at),
        "pushed_at": None if record.pushed_at is None else iso(record.pushed_at),
    }


def lay_out(spec: Spec, order: Order) -> Planned:
    """Return what would be built, and under which names. Raises UsageError for a push without a repository."""
    if order.push and spec.image.repository is None:
        hint = "set image.repository, or pass --repository ghcr.io/you/personaplex"
        raise UsageError("where to push? No repository is named", hint=hint)
    # Nothing lies beside what is sent, so that there is nothing to leave out.
    files = {path: text for path, text in context_files(spec, order.profile).items() if path != ".dockerignore"}
    build_args = {} if spec.image.base is None else {"BASE_IMAGE": spec.image.base}
    tag = order.tag or f"{order.profile.name}-{__version__}"
    names = (f"{HERE}:{tag}", *([f"{spec.image.repository}:{tag}"] if spec.image.repository else []))
    return Planned(order.profile, files, build_args, context_hash(files, build_args), names)


def build(session: Session, spec: Spec, order: Order) -> Built:
    """Build the image unless the engine has it already, name it, and push it where that was asked for.

    Raises ProviderError with the step that failed; what `Engine.connect` and `Engine.push` raise.
    """
    began = time.monotonic()
    planned = lay_out(spec, order)
    with Engine.connect(session.environ) as engine, session.journal() as journal:
        session.reporter.progress(f"{engine.name} at {engine.address}")
        image, built = _built(session, engine, planned, use_cache=order.use_cache)
        for name in planned.names:
            engine.tag(image, name)
        record = ImageRecord(planned.profile.name, planned.names[-1], image.id, None, planned.context, image.built_at)
        journal.record_image(record)
        if order.push:
            digest = engine.push(record.reference, session.reporter.progress)
            record = replace(record, digest=digest, pushed_at=session.now())
            journal.record_image(record)
    changed = built or order.push
    return Built(record, image, changed, pushed=order.push, seconds=time.monotonic() - began)


def recorded(session: Session) -> list[ImageRecord]:
    """Return the images that were built or pushed from this machine, newest first."""
    if not session.has_journal():
        return []
    with session.journal() as journal:
        return journal.images()


def with_pushed_image(session: Session, spec: Spec, offer: Offer) -> Spec:
    """Return the spec with the digest of the image that was pushed last for what the offer needs.

    Unless it names one itself; on this machine none is pulled unasked.
    """
    if spec.image.name is not None or offer.provider == LOCAL:
        return spec
    profile, repository = profile_of(spec, offer.gpu, offer.provider), spec.image.repository
    pushed = (one for one in recorded(session) if one.profile == profile.name and one.pinned is not None)
    newest = next((one for one in pushed if repository in (None, split_reference(one.reference)[0])), None)
    return spec if newest is None else _naming(spec, str(newest.pinned))


def runs_here(spec: Spec) -> bool:
    """Tell whether a deployment runs in a container of this machine."""
    return spec.provider == LOCAL and spec.local.runtime == _DOCKER


def with_image_here(session: Session, spec: Spec, offer: Offer) -> Spec:
    """Return the spec with an image that this machine's engine has.

    The one named, pulled when it is missing; or else that of this plexctl's own files, built when it is missing.
    """
    if spec.image.name is not None:
        with Engine.connect(session.environ) as engine:
            if engine.image(spec.image.name) is None:
                engine.pull(spec.image.name, session.reporter.progress)
        return spec
    built = build(session, spec, Order(profile_of(spec, offer.gpu, offer.provider)))
    return _naming(spec, built.image.id)


def _built(session: Session, engine: Engine, planned: Planned, *, use_cache: bool) -> tuple[Image, bool]:
    """Return the image of what is planned, and whether it was built now."""
    found = engine.image_labelled(CONTEXT, planned.context) if use_cache else None
    if found is not None:
        session.reporter.progress(f"unchanged: {engine.name} has the image of {planned.profile.name} already")
        return found, False
    labels = {MANAGED_BY[0]: MANAGED_BY[1], CONTEXT: planned.context, PROFILE: planned.profile.name}
    machine = _MACHINES.get(planned.profile.machine, planned.profile.machine)
    is_foreign = planned.profile.torch is not None and machine != engine.machine
    recipe = Recipe(
        files=planned.files,
        build_args=planned.build_args,
        labels=labels,
        use_cache=use_cache,
        platform=f"linux/{machine}" if is_foreign else None,
    )
    return engine.build(recipe, planned.names[0], session.reporter.progress), True


def _naming(spec: Spec, name: str) -> Spec:
    return structs.replace(spec, image=structs.replace(spec.image, name=name))

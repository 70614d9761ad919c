"""The words of plexctl as data: need, offer, finding, plan, resource, endpoint, deployment.

Everything here is immutable and free of I/O. What crosses the journal or a JSON document is made of these by
`msgspec`, so field names are a public format.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from plexctl.states import State

LABEL_PREFIX = "plexctl-"
"""Every resource is named `plexctl-<deployment>-<id>`, so that it is found again without local state."""
MANAGED_BY = ("managed-by", "plexctl")
"""The label (key, value) on every resource of a provider that has labels."""


@dataclass(frozen=True, slots=True)
class Need:
    """What a deployment asks of a GPU; empty fields ask nothing."""

    gpu: str | None = None
    min_vram_gib: float | None = None
    region: str | None = None
    max_price_usd_per_hour: float | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """One concrete GPU choice on one provider. `price_usd_per_hour` 0 means free, None means unknown."""

    provider: str
    gpu: str | None
    count: int
    region: str | None
    price_usd_per_hour: float | None
    source: str
    """Where the price was read."""
    as_of: str | None
    """When the price was read, ISO date; None when it cannot age."""
    detail: Mapping[str, str] = field(default_factory=dict)
    """What only the adapter needs to create exactly this offer."""


class Level(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One result of a check before any cost: what was found, and how to mend it."""

    check: str
    level: Level
    message: str
    fix: str | None = None


@dataclass(frozen=True, slots=True)
class PlannedResource:
    """Something that `apply` will create. `body` is what will be sent or started, without secret values."""

    kind: str
    name: str
    body: Mapping[str, object]


KEEP = "keep"
"""The action of a step for what is shared with other deployments, and left when this one is destroyed."""


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a plan, for a reader."""

    action: str
    subject: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """The ordered steps that make a spec real with one offer; byte-identical for identical input.

    `secrets` names the values that must be supplied when it is applied; the values are never part of a plan. `place`
    is where its resources live (account's environment, project and region): in another place it is another set of them.
    """

    provider: str
    deployment: str
    offer: Offer
    steps: tuple[Step, ...]
    resources: tuple[PlannedResource, ...]
    secrets: tuple[str, ...] = ()
    place: str = ""


CREATED_AT = "created_at"
"""In the detail of what `find` returns: when it was made, in seconds since the epoch, where the provider tells it."""
EXPIRES_AT = "expires_at"
"""In the detail of what `find` returns: when it is to end by itself, in seconds since the epoch, where that is told."""


@dataclass(frozen=True, slots=True)
class Resource:
    """Something that exists, or may exist, at a provider because of plexctl.

    `id` is None between the intent and the answer of a create: then only the name can find it. `detail` is the
    adapter's own, but for `CREATED_AT` and `EXPIRES_AT`, which tell the age of what no record knows.
    """

    kind: str
    name: str
    id: str | None
    detail: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ref:
    """A deployment as a provider can find it again, from any machine."""

    provider: str
    name: str
    id: str
    resources: tuple[Resource, ...] = ()

    @property
    def label(self) -> str:
        """The name that every resource of this deployment carries."""
        return f"{LABEL_PREFIX}{self.name}-{self.id}"

    def first(self, kind: str) -> Resource | None:
        """Return the first resource of a kind, or None."""
        return next((resource for resource in self.resources if resource.kind == kind), None)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where callers go. `tls` says how the peer is trusted: `none` (loopback), `system` or `sha256:<hex>`.

    With `ssh`, the URLs are those of the host's own loopback: only a tunnel leads there (`contract.Hosted.tunnel`).
    """

    url: str
    wss_url: str
    tls: str


@dataclass(frozen=True, slots=True)
class GpuUse:
    """One GPU of a host, as its driver tells it now; None is what it does not tell."""

    name: str
    memory_used_mib: int | None
    memory_total_mib: int | None
    utilization_percent: int | None
    temperature_c: int | None


@dataclass(frozen=True, slots=True)
class Status:
    """What a provider says of a deployment now; `detail` is for a reader."""

    state: State
    endpoint: Endpoint | None = None
    detail: str = ""
    gpus: tuple[GpuUse, ...] = ()
    """What its GPUs do, where one can look."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What is up of a deployment that scales by itself, and what it has cost; None is what nobody can tell."""

    replicas: int | None
    """Containers or instances that are up now, and bill."""
    cost_usd: float | None
    """Billed since the moment asked for, as far as the provider tells."""
    source: str
    """Where both were read, or why they were not."""
    billed_s: float | None = None
    """Seconds that replicas were billed since then, each for itself; the price is the offer's."""
    was_up: bool = False
    """Nobody counted lately, but something was up minutes ago, so that to ask its gateway starts nothing."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What a destroy left on purpose."""

    kind: str
    name: str
    why: str
    """Whose it is too, or what it is kept for; and what it costs."""


@dataclass(frozen=True, slots=True)
class Removal:
    """What a destroy read back as gone, and what it left."""

    removed: tuple[Resource, ...] = ()
    kept: tuple[Kept, ...] = ()


@dataclass(frozen=True, slots=True)
class Deployment:
    """A named set of resources plus its endpoint."""

    ref: Ref
    endpoint: Endpoint | None
    changed: bool = True
    """False when it existed already, as asked for."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a deployment's log, as it came. `time` is epoch seconds when the source tells it."""

    text: str
    time: float | None = None

"""JSON Schemas of each command's document: what it has at least (the table in docs and design)."""

from __future__ import annotations

from typing import Any

from jsonschema import Draft202012Validator

Schema = dict[str, Any]
TEXT: Schema = {"type": "string"}
TEXT_OR_NULL: Schema = {"type": ["string", "null"]}
NUMBER: Schema = {"type": "number"}
NUMBER_OR_NULL: Schema = {"type": ["number", "null"]}
WHOLE_OR_NULL: Schema = {"type": ["integer", "null"]}
FLAG: Schema = {"type": "boolean"}
MOMENT: Schema = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z$"}


def record(**properties: Schema) -> Schema:
    """Return the schema of an object that has at least these."""
    return {"type": "object", "required": list(properties), "properties": properties}


def either(*schemas: Schema) -> Schema:
    """Return the schema of what one of these describes."""
    return {"anyOf": list(schemas)}


def rows(item: Schema) -> Schema:
    """Return the schema of a list."""
    return {"type": "array", "items": item}


NULL: Schema = {"type": "null"}
STATE: Schema = {
    "enum": ["creating", "loading", "ready", "idle", "draining", "stopped", "failed", "missing", "unknown"]
}
ENDPOINT = record(url=TEXT, wss_url={"type": "string", "pattern": "^wss?://.+/api/chat$"}, tls=TEXT)
OFFER = record(
    provider=TEXT,
    gpu=TEXT_OR_NULL,
    count={"type": "integer"},
    region=TEXT_OR_NULL,
    price_usd_per_hour=NUMBER_OR_NULL,
    source=TEXT,
    as_of=TEXT_OR_NULL,
)
FINDINGS = rows(record(check=TEXT, level={"enum": ["ok", "warn", "fail"]}, message=TEXT, fix=TEXT_OR_NULL))
SPREAD = record(p50=NUMBER_OR_NULL, p99=NUMBER_OR_NULL)
PROBE = record(
    verdict={
        "enum": ["talking", "reachable", "slow", "busy", "loading", "unauthorized", "rejected", "silent", "unreachable"]
    },
    stages=rows(
        record(
            name={"enum": ["dns", "tcp", "tls", "http", "upgrade", "handshake", "audio"]}, outcome=TEXT, seconds=NUMBER
        )
    ),
    audio=record(
        sent_s=NUMBER,
        heard_s=NUMBER,
        first_audio_ms=NUMBER_OR_NULL,
        real_time_factor=NUMBER_OR_NULL,
        longest_gap_ms=NUMBER_OR_NULL,
        jitter_ms=SPREAD,
    ),
)
GPU_USE = record(
    name=TEXT,
    memory_used_mib=WHOLE_OR_NULL,
    memory_total_mib=WHOLE_OR_NULL,
    utilization_percent=WHOLE_OR_NULL,
    temperature_c=WHOLE_OR_NULL,
)
DEPLOYMENT = record(
    name=TEXT,
    id=TEXT,
    provider=TEXT,
    state=STATE,
    endpoint=either(ENDPOINT, NULL),
    engines=WHOLE_OR_NULL,
    busy=WHOLE_OR_NULL,
    gpus=rows(GPU_USE),
    price=record(usd_per_hour=NUMBER_OR_NULL, source=TEXT, as_of=TEXT_OR_NULL),
    replicas=WHOLE_OR_NULL,
    bills_now=record(usd_per_hour=NUMBER_OR_NULL, words=TEXT),
    cost_estimate=NUMBER_OR_NULL,
    cost_basis=TEXT,
    created_at=MOMENT,
    expires_at=either(MOMENT, NULL),
)
LOG_LINE = record(time=either(MOMENT, NULL), text=TEXT)
DRY_RUN = record(
    dry_run={"const": True},
    changed={"const": False},
    steps=rows(record(action=TEXT, subject=TEXT, detail=TEXT)),
    resources=rows(record(kind=TEXT, name=TEXT, body={"type": "object"})),
    offer=OFFER,
    others=rows(OFFER),
    findings=FINDINGS,
)
DEPLOYED = record(
    deployment=record(name=TEXT, provider=TEXT, id=TEXT, state=STATE),
    endpoint=ENDPOINT,
    offer=OFFER,
    findings=FINDINGS,
    attempts={
        "type": "array",
        "minItems": 1,
        "items": record(offer=OFFER, host=TEXT_OR_NULL, outcome=TEXT, reason=TEXT, seconds=NUMBER),
    },
    changed=FLAG,
    probe=either(PROBE, {"type": "object", "maxProperties": 0}),
)
DAY: Schema = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\d$"}
SOURCE: Schema = {"type": "string", "minLength": 1}
SHARES: Schema = {
    "currency": {"enum": ["USD", "EUR"]},
    "is_converted": FLAG,
    "source": SOURCE,
    "as_of": DAY,
    "age_days": {"type": "integer", "minimum": 0},
    "is_stale": FLAG,
}
PRICED_OFFER = record(
    provider={"enum": ["local", "ssh", "modal", "cloudrun", "runpod", "vast", "lambda", "ovh"]},
    gpu=TEXT_OR_NULL,
    count={"type": "integer", "minimum": 0},
    region=TEXT_OR_NULL,
    regions=rows(TEXT),
    price_usd_per_hour=NUMBER_OR_NULL,
    price_usd_per_conversation_hour=NUMBER_OR_NULL,
    price_per_hour=NUMBER_OR_NULL,
    vram_gib=NUMBER_OR_NULL,
    memory={"enum": ["fits", "tight", "does_not_fit", None]},
    engines_that_fit=WHOLE_OR_NULL,
    real_time={"enum": ["yes", "likely", "borderline", "no", None]},
    ms_per_frame=NUMBER_OR_NULL,
    basis={"enum": ["measured", "predicted", None]},
    engines_in_real_time=WHOLE_OR_NULL,
    stock=TEXT_OR_NULL,
    is_verified=FLAG,
    note=TEXT_OR_NULL,
    **SHARES,
)
RATES: Schema = {"type": "object", "additionalProperties": record(usd=NUMBER, source=SOURCE, as_of=DAY)}
GPUS = record(
    offers=rows(PRICED_OFFER),
    as_of=DAY,
    rates=RATES,
    failures={"type": "object", "additionalProperties": record(message=TEXT, at=DAY)},
)
PLAN = record(
    name=TEXT,
    provider=TEXT,
    steps=rows(record(action=TEXT, subject=TEXT, detail=TEXT)),
    resources=rows(record(kind=TEXT, name=TEXT, body={"type": "object"})),
    secrets=rows(TEXT),
    offer=PRICED_OFFER,
    price=record(
        usd_per_hour=NUMBER_OR_NULL, usd_per_conversation_hour=NUMBER_OR_NULL, per_hour=NUMBER_OR_NULL, **SHARES
    ),
    billing=record(idle=SOURCE, stopped=SOURCE, source=SOURCE, as_of=DAY),
    findings=FINDINGS,
    considered=rows(record(provider=TEXT, gpu=TEXT_OR_NULL, refused=TEXT_OR_NULL)),
)
CATALOG = record(
    as_of=DAY,
    providers=rows(
        record(
            provider=TEXT,
            outcome={"enum": ["renewed", "failed", "skipped", "no_reader"]},
            rows={"type": "integer"},
            changed={"type": "integer"},
            message=TEXT,
        )
    ),
)
HOLDINGS = either(rows(TEXT), NULL)
"""What plexctl put on the host; null where that could not be listed."""
NOT_DONE = record(name=TEXT, dry_run={"const": True}, changed={"const": False})

LICENCE = record(
    state={"const": "granted"},
    repository=TEXT,
    revision={"type": "string", "pattern": "^[0-9a-f]{40}$"},
    account=TEXT_OR_NULL,
    token_kind=TEXT_OR_NULL,
    token_source=TEXT_OR_NULL,
    licence=TEXT_OR_NULL,
    files={"type": "array", "minItems": 2, "items": record(name=TEXT, bytes=WHOLE_OR_NULL)},
    bytes=WHOLE_OR_NULL,
    findings=FINDINGS,
)

IMAGE = {
    "image": TEXT,
    "tag": TEXT,
    "id": {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"},
    "digest": TEXT_OR_NULL,
    "profile": TEXT,
    "context": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
    "built_at": TEXT,
    "pushed_at": TEXT_OR_NULL,
}
IMAGES = {
    "build": record(
        **IMAGE,
        pushed=FLAG,
        repository=TEXT,
        size_bytes={"type": "integer"},
        seconds={"type": "number"},
        changed=FLAG,
    ),
    "dry run": record(
        dry_run={"const": True},
        changed={"const": False},
        pushed={"const": False},
        image=TEXT,
        profile=TEXT,
        context=IMAGE["context"],
        files=rows(TEXT),
        repository=TEXT_OR_NULL,
    ),
    "list": record(images=rows(record(**IMAGE))),
}

DIFFERENCE = record(
    name=TEXT,
    id=TEXT,
    provider=TEXT,
    state=STATE,
    detail=TEXT,
    why=TEXT,
    price_per_hour=NUMBER_OR_NULL,
    still_bills=TEXT_OR_NULL,
    created_at=either(MOMENT, NULL),
    expires_at=either(MOMENT, NULL),
    resources=rows(record(kind=TEXT, name=TEXT, id=TEXT_OR_NULL)),
)
GC = record(
    **dict.fromkeys(("orphans", "young", "ghosts", "expired", "stopped", "kept", "deleted"), rows(DIFFERENCE)),
    failed=rows(DIFFERENCE),
    busy=rows(TEXT),
    price_per_hour=NUMBER,
    unpriced={"type": "integer"},
    providers=record(asked=rows(TEXT), not_set_up=rows(TEXT)),
)

DATA: dict[str, Schema] = {
    "version": record(version=TEXT),
    "help": record(help=TEXT),
    "init": either(record(path=TEXT), record(json_schema={"type": "object"})),
    "gpus": GPUS,
    "plan": PLAN,
    "render": record(
        provider=TEXT,
        offer=PRICED_OFFER,
        out=TEXT_OR_NULL,
        files=either(rows(TEXT), {"type": "object", "additionalProperties": TEXT}),
        changed=rows(TEXT),
        findings=FINDINGS,
    ),
    "catalog": CATALOG,
    "image": either(*IMAGES.values()),
    "doctor": record(findings=FINDINGS),
    "check-license": LICENCE,
    "deploy": either(DEPLOYED, DRY_RUN),
    "list": record(deployments=rows(DEPLOYMENT)),
    "status": record(deployments=rows(DEPLOYMENT)),
    "probe": PROBE,
    "ssh": record(name=TEXT, argv={"type": "array", "minItems": 2, "items": TEXT}),
    "open": record(name=TEXT, url=TEXT, is_tunnel=FLAG, endpoint=ENDPOINT),
    "logs": record(lines=rows(LOG_LINE)),
    "stop": either(
        record(name=TEXT, id=TEXT, state={"const": "stopped"}, changed=FLAG, still_bills=TEXT),
        NOT_DONE,
    ),
    "scale": record(
        name=TEXT, id=TEXT, min={"type": "integer"}, max={"type": "integer"}, changed=FLAG, dry_run=FLAG, bills=TEXT
    ),
    "start": record(deployment=DEPLOYMENT, changed=FLAG),
    "gc": GC,
    "destroy": either(
        record(
            name=TEXT,
            id=TEXT,
            changed=FLAG,
            removed=rows(record(kind=TEXT, name=TEXT, id=TEXT_OR_NULL)),
            kept=rows(record(kind=TEXT, name=TEXT, why=TEXT)),
            others=rows(TEXT),
            holdings=HOLDINGS,
        ),
        record(**NOT_DONE["properties"], resources=rows(TEXT), kept=rows(TEXT), holdings=HOLDINGS),
    ),
}
"""The `data` of each command's document."""


def check(document: dict[str, Any]) -> dict[str, Any]:
    """Assert that a document of success is what its command promises; return its data."""
    Draft202012Validator(
        record(schema={"const": "plexctl/v1"}, ok={"const": True}, command={"enum": list(DATA)}, data={})
    ).validate(document)
    Draft202012Validator(DATA[document["command"]]).validate(document["data"])
    data: dict[str, Any] = document["data"]
    return data


def check_streamed(line: str, schema: Schema) -> dict[str, Any]:
    """Assert that a line is a document of its own whose data fits; return its data."""
    import json

    document = json.loads(line)
    Draft202012Validator(record(schema={"const": "plexctl/v1"}, ok={"const": True}, data=schema)).validate(document)
    data: dict[str, Any] = document["data"]
    return data

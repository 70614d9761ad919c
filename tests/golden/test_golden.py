"""What people and their files rely on, kept word for word in `tests/golden/files`.

A change there is a change of the public interface: run with PLEXCTL_TEST_WRITE_GOLDEN=1, then read the diff.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from tests.golden.documents import DOCUMENTS

from plexctl.contract import Provider
from plexctl.example import example_toml, json_schema
from plexctl.model import Offer
from plexctl.registry import BUILT_IN, provider_class
from plexctl.spec import Gateway, Limits, Local, Model, Spec
from plexctl_providers.local.requests import build_plan

FILES = Path(__file__).with_name("files")
OFFER = Offer("local", "NVIDIA L40S", 1, None, 0.0, "this machine", None)
FULL = Spec(
    name="voice",
    provider="local",
    engine="personaplex",
    model=Model(revision="3428dfd", cpu_offload=True),
    gateway=Gateway(port=9000, engines=2, voice="NATF2.pt", text_prompt="Be brief.", idle_timeout_s=90.5),
    limits=Limits(start_timeout_s=600, ttl_s=28800),
    local=Local(engine_python="/opt/personaplex/bin/python"),
    env={"LOG_LEVEL": "debug"},
    secrets=("HF_TOKEN", "PLEXCTL_TOKEN"),
)


def _plan(spec: Spec) -> str:
    return json.dumps(msgspec.to_builtins(build_plan(spec, OFFER)), indent=2) + "\n"


def _capabilities() -> str:
    kinds: dict[str, type[Provider]] = {name: provider_class(name) for name in BUILT_IN}
    return json.dumps({name: msgspec.to_builtins(kind.capabilities) for name, kind in kinds.items()}, indent=2) + "\n"


GOLDEN: dict[str, Callable[[], str]] = {
    "plexctl.toml": lambda: example_toml("local"),
    "plexctl.schema.json": json_schema,
    "plan-local-default.json": lambda: _plan(Spec(provider="local", engine="echo")),
    "plan-local-full.json": lambda: _plan(FULL),
    "capabilities.json": _capabilities,
}


@pytest.mark.parametrize("name", GOLDEN)
def test_word_for_word(name: str) -> None:
    """What is made today is what was made yesterday."""
    path, text = FILES / name, GOLDEN[name]()
    if os.environ.get("PLEXCTL_TEST_WRITE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_no_golden_file_is_left_over() -> None:
    """Every file is made by something."""
    assert {path.name for path in FILES.iterdir()} == {*GOLDEN, *DOCUMENTS}

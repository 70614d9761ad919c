from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

import plexctl.gateway

FOLDER = Path(plexctl.gateway.__file__).parent
ALLOWED = {"aiohttp", "prometheus_client", "websockets", "huggingface_hub", "hf_xet"}
"""hf_xet comes with huggingface_hub."""


def imports_of(path: Path) -> set[str]:
    """Return the modules that a file imports, also inside functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.py")), ids=lambda path: str(path.relative_to(FOLDER)))
def test_the_gateway_travels_alone(path: Path) -> None:
    """It imports the voice protocol and the version, and few packages of others."""
    for module in imports_of(path):
        top = module.split(".")[0]
        if top == "plexctl":
            assert module == "plexctl" or module.startswith(("plexctl.gateway", "plexctl.voice")), module
        else:
            assert top in sys.stdlib_module_names | ALLOWED, module


def test_the_launcher_needs_nothing_of_plexctl() -> None:
    """upstream.py runs in an environment where plexctl is not installed."""
    assert not any(module.startswith("plexctl") for module in imports_of(FOLDER / "engines" / "upstream.py"))


def test_nothing_heavy_is_imported_before_the_pid_is_written() -> None:
    """At module level `__main__` imports only os, signal and sys, so that a starting gateway can be found at once."""
    tree = ast.parse((FOLDER / "__main__.py").read_text())
    names = [alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names]
    assert names == ["os", "signal", "sys"]

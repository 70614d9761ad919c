"""The rules of `docs/architecture.md`, held by reading every module and by asking Python what it loads."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = {"plexctl": ROOT / "src", "plexctl_providers": ROOT / "providers", "plexctl_templates": ROOT / "templates"}
CORE_PACKAGES = {"model", "errors", "states", "secret", "nearest", "identity", "folders"}
GATEWAY_MAY = {"aiohttp", "prometheus_client", "huggingface_hub", "hf_xet", "websockets"}
"""Beside the standard library; websockets only for its frames (reason: the docstring of plexctl.gateway.frames)."""
ADAPTER_MAY = {"contract", "model", "errors", "states", "spec", "secret", "rendering", "folders", "gpus", "images"} | {
    "identity",
    "side_by_side",
}
SDKS = {
    *("torch", "moshi", "paramiko", "huggingface_hub", "modal", "runpod", "vastai", "google", "ovh", "docker"),
    *("soundfile", "lambda_cloud"),
}
WIRES = {
    "socket",
    "ssl",
    "http.client",
    "http.server",
    "urllib.request",
    "aiohttp",
    "h11",
    "websockets",
    "httpx",
    "requests",
    "socketserver",
}
SLOW = {"asyncio", "aiohttp", "websockets", "h11", "rich", "pydantic", "ssl", "sqlite3", "msgspec", "jinja2", "tomllib"}
COMMAND_MODULES = {
    *(
        "catalog",
        "check_license",
        "deploy",
        "doctor",
        "gpus",
        "init",
        "logs",
        "open",
        "operate",
        "plan",
        "probe",
        "render",
        "ssh",
    ),
}


@dataclass(frozen=True)
class Import:
    """One import statement's module. `at_once`: run when the importing module is."""

    importer: str
    module: str
    line: int
    at_once: bool

    @property
    def top(self) -> str:
        """The package it comes from."""
        return self.module.partition(".")[0]

    @property
    def part(self) -> str:
        """The second word: of plexctl or plexctl_providers, the part."""
        return f"{self.module}.".split(".")[1]

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.module}"


@cache
def modules() -> dict[str, ast.Module]:
    """Return every module of ours by name."""
    found = {}
    for package, folder in FOLDERS.items():
        for path in (folder / package).rglob("*.py"):
            name = ".".join(path.relative_to(folder).with_suffix("").parts).removesuffix(".__init__")
            found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


@cache
def imports() -> tuple[Import, ...]:
    """Return every import of ours, those for the type checker alone left out."""
    return tuple(found for name, tree in modules().items() for found in imports_in(name, tree, at_once=True))


def imports_in(name: str, node: ast.AST, *, at_once: bool) -> Iterator[Import]:
    """Yield the imports below a node."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING":
            continue
        if isinstance(child, ast.Import):
            yield from (Import(name, alias.name, child.lineno, at_once) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, f"{name}:{child.lineno} is a relative import"
            base = child.module or ""
            # `from plexctl import config` imports plexctl.config.
            names = [f"{base}.{alias.name}" for alias in child.names]
            yield from (Import(name, full if full in modules() else base, child.lineno, at_once) for full in names)
        else:
            inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from imports_in(name, child, at_once=at_once and not inside)


def is_standard(found: Import) -> bool:
    """Tell whether it is of the standard library."""
    return found.top in sys.stdlib_module_names


def within(name: str, *packages: str) -> bool:
    """Tell whether a module is one of these or in one of these."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def refuse(bad: list[Import]) -> None:
    """Fail with the statements that break a rule."""
    assert not bad, "\n".join(map(str, bad))


@pytest.mark.parametrize("name", sorted(CORE_PACKAGES))
def test_words_stand_on_the_standard_library_alone(name: str) -> None:
    """Model, errors, states and the other words import nothing but the standard library and each other."""
    mine = [found for found in imports() if found.importer == f"plexctl.{name}"]
    refuse([found for found in mine if not is_standard(found) and found.part not in CORE_PACKAGES])


def test_spec_stands_on_msgspec() -> None:
    """The spec imports msgspec beside the standard library: the one deviation (docs/architecture.md)."""
    mine = [found for found in imports() if within(found.importer, "plexctl.spec")]
    theirs = [found for found in mine if not is_standard(found) and found.top != "msgspec"]
    refuse([found for found in theirs if found.part not in {"identity", "spec"}])


def test_voice_protocol_stands_alone() -> None:
    """The voice protocol imports only the standard library, so that gateway and probe can both carry it."""
    mine = [found for found in imports() if within(found.importer, "plexctl.voice")]
    refuse([found for found in mine if not is_standard(found) and not within(found.module, "plexctl.voice")])


def test_core_never_imports_an_adapter() -> None:
    """Plexctl finds adapters by name at run time, never by an import statement."""
    refuse([found for found in imports() if within(found.importer, "plexctl") and found.top == "plexctl_providers"])


def test_adapters_import_the_contract_and_nothing_of_the_surface() -> None:
    """An adapter imports contract, words, rendering and `_common`; never cli, flows, output, config or a sibling."""
    bad = []
    for found in imports():
        own = ".".join(found.importer.split(".")[:2])
        if not within(own, "plexctl_providers"):
            continue
        is_other = found.top == "plexctl_providers" and not within(found.module, own, "plexctl_providers._common")
        is_surface = found.top == "plexctl" and found.module != "plexctl" and found.part not in ADAPTER_MAY
        bad += [found] * (is_other or is_surface)
    refuse(bad)


def test_gateway_travels_alone() -> None:
    """The gateway imports of plexctl only the voice protocol and the version, and few packages besides."""
    mine = [found for found in imports() if within(found.importer, "plexctl.gateway")]
    ours = [found for found in mine if found.top.startswith("plexctl")]
    refuse(
        [
            found
            for found in ours
            if not within(found.module, "plexctl.gateway", "plexctl.voice") and found.module != "plexctl"
        ]
    )
    refuse([found for found in mine if found not in ours and not is_standard(found) and found.top not in GATEWAY_MAY])
    refuse([found for found in mine if found.top == "websockets" and found.importer != "plexctl.gateway.frames"])


def test_arrows_point_one_way() -> None:
    """From cli to flows to everything else: nothing below knows who calls it."""
    upper = ("plexctl.cli", "plexctl.flows", "plexctl.output", "plexctl.config")
    below = [found for found in imports() if not within(found.importer, *upper, "plexctl.__main__")]
    refuse([found for found in below if within(found.module, *upper)])
    flows = [found for found in imports() if within(found.importer, "plexctl.flows")]
    refuse([found for found in flows if within(found.module, "plexctl.cli", "plexctl.output", "plexctl.config")])


def test_vendor_packages_load_only_inside_functions() -> None:
    """SDKs, torch, paramiko and huggingface_hub are imported where they are used, never with a module."""
    refuse([found for found in imports() if found.at_once and found.top in SDKS])


def test_only_clients_and_wires_open_sockets() -> None:
    """Sockets, and what opens them, are for the wire, the gateway and the clients of adapters."""
    allowed = ("plexctl.wire", "plexctl.gateway", "plexctl_providers")
    outside = [found for found in imports() if not within(found.importer, *allowed)]
    refuse([found for found in outside if found.top in WIRES or found.module in WIRES])
    in_adapters = [found for found in imports() if within(found.importer, "plexctl_providers")]
    clients = ("client", "ssh", "process")
    mine = [f for f in in_adapters if not within(f.importer, "plexctl_providers._common.ssh")]
    refuse([f for f in mine if f.top in WIRES and f.importer.rpartition(".")[2] not in clients])


def test_nobody_imports_click() -> None:
    """Typer carries its own Click; ours would be another one."""
    refuse([found for found in imports() if found.top == "click"])


def uses(*dotted: str) -> set[str]:
    """Return the modules that mention one of these names, such as `sys.exit`."""
    return {
        name
        for name, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute | ast.Name) and ast.unparse(node) in dotted
    }


def test_only_output_prints() -> None:
    """`print` stands in the output and, for the version, in `__main__`."""
    assert uses("print") <= {"plexctl.output", "plexctl.__main__"}


def test_only_main_modules_exit() -> None:
    """Errors are raised; only a `__main__` turns them into an exit code, and a process of the gateway's ends itself."""
    enders = {"plexctl.gateway.engines.upstream"}
    assert {name for name in uses("sys.exit", "exit", "quit", "os._exit") if not name.endswith("__main__")} <= enders


def test_only_config_reads_the_environment() -> None:
    """The user's environment is read by `config`, the gateway's by its `__main__` and its engines' processes."""
    readers = uses("os.environ", "os.getenv", "os.environb")
    assert {name for name in readers if not within(name, "plexctl.gateway")} == {"plexctl.config"}
    assert {name for name in readers if within(name, "plexctl.gateway")} <= {
        "plexctl.gateway.__main__",
        "plexctl.gateway.settings",
        "plexctl.gateway.engines.echo.__main__",
        "plexctl.gateway.weights.__main__",
    }


@pytest.mark.parametrize("flag", ["--help", "--version"])
def test_starting_loads_nothing_slow(flag: str) -> None:
    """Neither help nor version imports an SDK, an event loop, a web or console library, or another command."""
    argv = [sys.executable, "-X", "importtime", "-m", "plexctl", flag]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert not {name for name in loaded if name.partition(".")[0] in SDKS | SLOW or name.startswith("httpx")}
    assert not loaded & {f"plexctl.cli.{name}" for name in COMMAND_MODULES}


def test_no_module_of_ours_loads_an_sdk() -> None:
    """With every module of ours imported, no SDK is loaded."""
    runnable = [name for name in modules() if not name.endswith(("__main__", ".upstream"))]
    script = f"import importlib, sys\nfor name in {runnable!r}: importlib.import_module(name)\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not {name for name in done.stdout.split() if name.partition(".")[0] in SDKS}


def test_files_and_functions_stay_small() -> None:
    """Files have up to 300 lines, function bodies up to 40; who needs more says why in the module's docstring."""
    sizes = []
    for name, tree in modules().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or 0) - node.body[0].lineno + 1
                sizes += [f"{name}.{node.name}: {length}"] * (length > 40)
    for path in (path for package, folder in FOLDERS.items() for path in (folder / package).rglob("*.py")):
        lines = len(path.read_text(encoding="utf-8").splitlines())
        sizes += [f"{path}: {lines}"] * (lines > 300)
    assert not sizes


def test_help_lines_are_the_docstrings() -> None:
    """The table that `--help` prints without importing any command says what each command's docstring says."""
    from importlib import import_module

    from plexctl.cli.table import COMMANDS

    for command in COMMANDS.values():
        function = getattr(import_module(f"plexctl.cli.{command.module}"), command.function)
        assert function.__doc__.startswith(command.summary)

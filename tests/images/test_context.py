"""The build context: the same each time, whole, exact, and without secrets."""

from __future__ import annotations

import re
import sys
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from tests.images.rig import GPU, NO_GPU, PLAIN, ROOT, TRICKY, built_on, local_files, pins_of, run, torch_pins, write

from plexctl.errors import ConfigurationError
from plexctl.images import PROFILES, Profile, context_files, profile_of, upstream
from plexctl.model import Offer
from plexctl.spec import Spec, Templates

EVERY = pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
WITH_TORCH = [profile for profile in PROFILES.values() if profile.torch]
EVERY_TORCH = pytest.mark.parametrize("profile", WITH_TORCH, ids=lambda profile: profile.name)
# NVIDIA/personaplex moshi/pyproject.toml at the pinned commit, without torch; sphn as tight as plexctl wants it.
UPSTREAM_PINS = {
    "numpy": ">=1.26,<2.2",
    "safetensors": ">=0.4.0,<0.5",
    "huggingface-hub": ">=0.24,<0.25",
    "einops": "==0.7",
    "sentencepiece": "==0.2",
    "sounddevice": "==0.5",
    "sphn": "==0.1.12",
    "aiohttp": ">=3.10.5,<3.11",
}
PYTHON_IN_IMAGE = {"python_version": "3.12", "python_full_version": "3.12.0", "platform_machine": "x86_64", "extra": ""}


@EVERY
def test_two_renders_are_the_same_to_the_byte(profile: Profile) -> None:
    """The files depend on spec and profile only, and come in order of their paths."""
    first, second = context_files(TRICKY, profile), context_files(TRICKY, profile)
    assert first == second
    assert list(first) == list(second) == sorted(first)


@EVERY
def test_the_context_holds_what_the_dockerfile_copies_and_nothing_else(profile: Profile) -> None:
    """Each COPY finds its file, each file is copied, and .dockerignore lets through exactly these."""
    files = context_files(PLAIN, profile)
    copies = re.findall(r"^COPY (?!--from)(.+) \S+$", files["Dockerfile"], re.MULTILINE)
    copied = {word for line in copies for word in line.split()}
    own = set(files) - {"Dockerfile", ".dockerignore"}
    assert {path.split("/")[0] + "/" if "/" in path else path for path in own} == copied
    everything, *let_in = [line for line in files[".dockerignore"].splitlines() if not line.startswith("#")]
    assert everything == "*"
    assert let_in == [f"!{path}" for path in sorted({*own, "Dockerfile"})]


@EVERY_TORCH
def test_a_profile_has_its_torch(profile: Profile) -> None:
    """The torch that is installed, and the one that the last step proves, are the profile's."""
    files = context_files(PLAIN, profile)
    torch = str(profile.torch).removeprefix("torch==")
    assert pins_of(files["torch-requirements.txt"])["torch"] == torch
    checked = f"check_engine.py {torch} {profile.cuda} {' '.join(profile.architectures)}"
    assert checked in " ".join(files["Dockerfile"].replace("\\\n", "").split())
    assert "PLEXCTL_ENGINE=personaplex" in files["Dockerfile"]


def test_echo_has_no_torch() -> None:
    """The echo profile has one environment, without upstream's server, its pins and its GPU."""
    files = context_files(PLAIN, PROFILES["echo"])
    assert not [path for path in files if "torch" in path or "engine-" in path or "upstream" in Path(path).parts[0]]
    assert not re.search("torch|NVIDIA|moshi|ENGINE_PYTHON", files["Dockerfile"])
    assert "PLEXCTL_ENGINE=echo" in files["Dockerfile"]


@pytest.mark.parametrize(
    ("gpu", "engine", "expected"),
    [
        ("NVIDIA L40S", "personaplex", "cu121"),
        ("NVIDIA B200", None, "cu128"),
        ("NVIDIA GH200 480GB", None, "cu128-aarch64"),
        (None, "personaplex", "cu121"),
        (None, "echo", "echo"),
        ("NVIDIA L40S", "echo", "echo"),
    ],
)
def test_the_profile_follows_gpu_and_engine(gpu: str | None, engine: str | None, expected: str) -> None:
    """Which image is built is said by the GPU's architecture, or by the engine that will run."""
    assert profile_of(Spec(), gpu, engine=engine).name == expected


@EVERY_TORCH
def test_the_engines_pins_are_within_upstreams(profile: Profile) -> None:
    """Upstream's own bounds hold for every pin but torch's, and plexctl's two additions are there."""
    pins = torch_pins(profile, context_files(PLAIN, profile))
    assert {name for name, bounds in UPSTREAM_PINS.items() if pins[name] not in SpecifierSet(bounds)} == set()
    assert {"accelerate", "pyloudnorm"} <= set(pins)


@EVERY
def test_the_gateways_pins_are_those_it_is_tested_with(profile: Profile) -> None:
    """Each pin is the one of constraints.txt, and nothing that the gateway's packages need is missing."""
    pins = pins_of(context_files(PLAIN, profile)["gateway-requirements.txt"])
    tested = pins_of((ROOT / "constraints.txt").read_text())
    assert pins == {name: tested[name] for name in pins}
    assert set(pins) == needed("aiohttp", "huggingface-hub", "prometheus-client", "websockets")


def needed(*names: str) -> set[str]:
    """Return these distributions and all that they require on Python 3.12, extras left out."""
    found, waiting = set[str](), list(names)
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in found:
            continue
        found.add(name)
        wanted = map(Requirement, requires(name) or [])
        waiting += [one.name for one in wanted if one.marker is None or one.marker.evaluate(PYTHON_IN_IMAGE)]
    return found


@EVERY
def test_nothing_names_an_index_or_takes_a_secret(profile: Profile) -> None:
    """Packages come from the index that the builder is set up for; only two build arguments exist, neither secret."""
    files = context_files(PLAIN, profile)
    arguments = set(re.findall(r"^ARG (\w+)", files["Dockerfile"], re.MULTILINE))
    assert arguments <= {"BASE_IMAGE", "UPSTREAM_ARCHIVE"}
    assert not re.search(r"TOKEN|SECRET|KEY|PASSWORD", files["Dockerfile"])
    assert not re.search(r"index-url|extra-index|trusted-host", "".join(files.values()))


@pytest.mark.parametrize("offer", [NO_GPU, GPU], ids=["echo", "personaplex"])
def test_a_canary_is_in_no_file(offer: Offer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Secrets of the caller's environment are in none of the rendered files, by name only."""
    for name in ("PLEXCTL_TOKEN", "HF_TOKEN", "SPARE_KEY"):
        monkeypatch.setenv(name, "canary-7f3a9")
    files = local_files(TRICKY, offer)
    assert [path for path, text in files.items() if "canary" in text] == []
    assert "SPARE_KEY" in files["compose.yaml"]
    assert "SPARE_KEY" in files["run.sh"]


def test_the_spec_names_the_base() -> None:
    """`image.base` takes the place of the default, which is Python 3.12's official image."""
    dockerfile = context_files(built_on("localhost/mine:1"), PROFILES["echo"])["Dockerfile"]
    assert "\nARG BASE_IMAGE=localhost/mine:1\n" in dockerfile
    default = context_files(PLAIN, PROFILES["echo"])["Dockerfile"]
    assert "\nARG BASE_IMAGE=docker.io/library/python:3.12-slim-bookworm\n" in default


def test_a_users_template_stands_before_ours(tmp_path: Path) -> None:
    """A file of the user's own takes the place of ours by name; one that asks for too much is refused by its line."""
    spec = Spec(templates=Templates(folder=str(tmp_path)))
    write({"container/entrypoint.sh.j2": "#!/bin/sh\nexec my {{ profile.name }}\n"}, tmp_path)
    assert context_files(spec, PROFILES["echo"])["entrypoint.sh"] == "#!/bin/sh\nexec my echo\n"
    write({"container/entrypoint.sh.j2": "#!/bin/sh\nexec {{ nobody }}\n"}, tmp_path)
    with pytest.raises(ConfigurationError, match=r"entrypoint\.sh\.j2, line 2: 'nobody' is undefined"):
        context_files(spec, PROFILES["echo"])


def test_upstream_is_pinned() -> None:
    """The commit is named in full, and so is the digest of its files."""
    assert re.fullmatch("[0-9a-f]{40}", upstream.COMMIT)
    assert re.fullmatch("[0-9a-f]{64}", upstream.SHA256)
    dockerfile = context_files(PLAIN, PROFILES["cu121"])["Dockerfile"]
    assert f"ARG UPSTREAM_ARCHIVE=https://github.com/NVIDIA/personaplex/archive/{upstream.COMMIT}.tar.gz" in dockerfile


_IMPORT_ALL = """
import importlib, pkgutil, sys
import plexctl.gateway, plexctl.voice
for package in (plexctl.gateway, plexctl.voice):
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)
from plexctl.gateway import page
ours = [module.__file__ for name, module in sys.modules.items() if name.split(".")[0] == "plexctl"]
print(*ours, sep="\\n")
"""


def test_the_gateways_sources_import_alone(tmp_path: Path) -> None:
    """Every module of the gateway in the context can be imported, and takes nothing else of plexctl."""
    files = context_files(PLAIN, PROFILES["echo"])
    write({path: text for path, text in files.items() if path.startswith("plexctl/")}, tmp_path)
    done = run(sys.executable, "-c", _IMPORT_ALL, env={"PYTHONPATH": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    loaded = [Path(line) for line in done.stdout.split()]
    assert len(loaded) > 40
    assert [path for path in loaded if not path.is_relative_to(tmp_path)] == []

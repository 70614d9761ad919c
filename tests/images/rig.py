"""What tests of rendered files share: deployments of each kind, and the linters beside our Python."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from plexctl.images import Profile
from plexctl.model import Offer
from plexctl.spec import Gateway, Image, Limits, Model, Spec
from plexctl_providers.local.files import build_files
from plexctl_providers.local.requests import build_plan

ROOT = Path(__file__).resolve().parents[2]
NO_GPU = Offer("local", None, 0, None, 0.0, "this machine", None)
GPU = Offer("local", "NVIDIA L40S", 1, None, 0.0, "this machine", None)
PLAIN = Spec()
TRICKY_PROMPT = 'It\'s $HOME, ${PATH}, "quoted", 50% #1\\n\nand a second line: `id` '
TRICKY = Spec(
    name="voice",
    model=Model(repo="me/mine", revision="main", cpu_offload=True),
    gateway=Gateway(port=9000, engines=2, voice="NATM1.pt", text_prompt=TRICKY_PROMPT, max_session_s=3600),
    limits=Limits(ttl_s=28800),
    env={"GREETING": "a 'b' c", "LOG_LEVEL": "debug"},
    secrets=("HF_TOKEN", "SPARE_KEY"),
)


def local_files(spec: Spec, offer: Offer) -> dict[str, str]:
    """Return what `render --provider local` writes."""
    return build_files(spec, build_plan(spec, offer))


def built_on(base: str) -> Spec:
    """Return a spec whose image is built on another one."""
    return Spec(image=Image(base=base))


def pins_of(text: str) -> dict[str, str]:
    """Return the versions in a requirements file by normalised name; every line pins exactly one."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    pairs = [line.split("==") for line in lines]
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in pairs}


def torch_pins(profile: Profile, files: dict[str, str]) -> dict[str, str]:
    """Return both requirements files of the engine's environment as one."""
    assert profile.torch
    return pins_of(files["engine-requirements.txt"]) | pins_of(files["torch-requirements.txt"])


def write(files: dict[str, str], folder: Path) -> None:
    """Write files as `render --out` does, scripts executable."""
    for path, text in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        if target.suffix == ".sh":
            target.chmod(0o755)


def tool(name: str) -> str:
    """Return a tool that comes with the development requirements."""
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    assert found, f"{name} is not installed: see requirements-dev.txt"
    return found


def run(*argv: str | Path, stdin: str = "", env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, whatever that is."""
    words = [str(word) for word in argv]
    return subprocess.run(words, input=stdin, env=env, capture_output=True, text=True, check=False)

"""Run by the Python of an installation, as text: tells, as JSON, what it finds of plexctl."""

import json
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader

import plexctl
import plexctl_providers
import plexctl_templates
from plexctl.catalog import snapshot
from plexctl.example import example_toml
from plexctl.registry import names, provider_class
from plexctl.voice import Recording

environment = Environment(loader=PackageLoader("plexctl_templates", ""), autoescape=True)
templates = environment.list_templates(extensions=["j2"])
answer = {
    "version": subprocess.run(
        [sys.executable, "-m", "plexctl", "--version"], capture_output=True, text=True, check=True
    ).stdout,
    "from": str(Path(plexctl.__file__).parent),
    "providers": {name: provider_class(name).__name__ for name in names()},
    "templates": [environment.get_template(name).name for name in templates],
    "rendered": example_toml("local"),
    "voice_s": Recording.from_ogg(files("plexctl.probe").joinpath("voice.opus").read_bytes()).duration_s,
    "pages": [name for name in ("index.html", "login.html") if files("plexctl.gateway").joinpath(name).is_file()],
    "priced": sorted({row.provider for row in snapshot().rows}),
    "typed": [part.__name__ for part in (plexctl, plexctl_providers) if files(part).joinpath("py.typed").is_file()],
    "folders": [str(Path(part.__file__ or "").parent) for part in (plexctl, plexctl_providers, plexctl_templates)],
}
sys.stdout.write(json.dumps(answer))

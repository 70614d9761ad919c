"""The files that an image is built from: the Dockerfile, what it copies, and nothing else. Pure.

The gateway's own sources are among them, read from the installed package, so that an image speaks the same protocol as
the plexctl that made it. The text depends on spec and profile only: two renders are the same to the byte.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable

from plexctl import __version__
from plexctl.images import layout, upstream
from plexctl.images.profiles import Profile
from plexctl.rendering import render
from plexctl.spec import Spec

BASE_IMAGE = "docker.io/library/python:3.12-slim-bookworm"
_ALWAYS = ("entrypoint.sh", "gateway-requirements.txt", "healthcheck.py")
_WITH_TORCH = ("check_engine.py", "engine-requirements.txt", "fetch_upstream.py")
_TORCH = "torch-requirements.txt"
_SOURCES = ("gateway", "voice")
"""Packages of plexctl that travel; the gateway imports nothing else of it."""
_SUFFIXES = (".html", ".py")


def context_files(spec: Spec, profile: Profile) -> dict[str, str]:
    """Return the build context of an image: path to text, in order of the paths.

    Raises ConfigurationError for a template of the user's that cannot be rendered.
    """
    names = ("Dockerfile", *_ALWAYS, *(_WITH_TORCH if profile.torch else ()))
    templates = {name: f"container/{name}.j2" for name in names}
    if profile.torch:
        templates[_TORCH] = f"container/torch/{profile.name}.txt.j2"
    values, folder = _values(spec, profile), spec.templates.folder
    found = gateway_sources() | {name: render(template, values, folder) for name, template in templates.items()}
    found[".dockerignore"] = render("container/dockerignore.j2", {"names": sorted(found)}, folder)
    return dict(sorted(found.items()))


def gateway_sources() -> dict[str, str]:
    """Return the package `plexctl` reduced to what the gateway needs: path to text."""
    package = files("plexctl")
    found = {"plexctl/__init__.py": (package / "__init__.py").read_text(encoding="utf-8")}
    for name in _SOURCES:
        found |= dict(_texts_below(package / name, f"plexctl/{name}"))
    return found


def _texts_below(folder: Traversable, path: str) -> Iterator[tuple[str, str]]:
    for entry in folder.iterdir():
        below = f"{path}/{entry.name}"
        if entry.is_dir():
            yield from _texts_below(entry, below)
        elif entry.name.endswith(_SUFFIXES):
            yield below, entry.read_text(encoding="utf-8")


def _values(spec: Spec, profile: Profile) -> dict[str, object]:
    return {
        "profile": profile,
        "summary": _summary(profile),
        "base_image": spec.image.base or BASE_IMAGE,
        "version": __version__,
        "layout": layout,
        "upstream": upstream,
    }


def _summary(profile: Profile) -> str:
    if profile.torch is None:
        return "the echo engine, which repeats the caller, for trials without a GPU"
    torch = profile.torch.replace("==", " ")
    return f"NVIDIA PersonaPlex with {torch} for CUDA {profile.cuda} on {profile.machine}, and plexctl's gateway"

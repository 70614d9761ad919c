"""Rendered apps, deployed by Modal's own command to the loopback Modal, whose books tell what it was sent."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from modal_proto import api_pb2
from tests.clouds.modal import Modal
from tests.clouds.modal.apps import definitions_of
from tests.contract.worlds import until
from tests.serverless.variants import files_of

from plexctl.model import PlannedResource

_MINUTE = 60
_KEYS = ("PLEXCTL_TOKEN", "HF_TOKEN", "EXTRA")


@dataclass(frozen=True)
class Deploy:
    """How `modal deploy` ended, what it printed, and what it sent."""

    code: int
    output: str
    recorder: Modal

    @property
    def service(self) -> list[api_pb2.Function]:
        """The class's function, once for each GPU."""
        (request,) = self.recorder.of(api_pb2.FunctionCreateRequest)
        return definitions_of(request)

    @property
    def functions(self) -> list[api_pb2.Function]:
        """All functions, each once."""
        return [definitions_of(one)[0] for one in self.recorder.of(api_pb2.FunctionCreateRequest)]

    @property
    def app(self) -> api_pb2.AppCreateRequest:
        """The app."""
        (request,) = self.recorder.of(api_pb2.AppCreateRequest)
        return request  # type: ignore[no-any-return]

    @property
    def settings(self) -> dict[str, str]:
        """The variables of the containers, which Modal's client sends as an unnamed secret of the app's."""
        sent = [dict(one.env_dict) for one in self.recorder.of(api_pb2.SecretGetOrCreateRequest) if one.env_dict]
        assert all(one == sent[0] for one in sent)
        return sent[0]

    @property
    def secret(self) -> Any:
        """The named secret."""
        (request,) = {
            one.deployment_name: one
            for one in self.recorder.of(api_pb2.SecretGetOrCreateRequest)
            if one.deployment_name
        }.values()
        return request


@cache
def deploy(variant: str, **env: str) -> Deploy:
    """Render a variant and run `modal deploy modal_app.py` on it, as a user would."""
    return _modal(variant, ("deploy", "modal_app.py"), env)


@cache
def fetch(variant: str) -> Deploy:
    """Run `modal run modal_app.py::fetch_weights` to its end."""
    return _modal(variant, ("run", "modal_app.py::fetch_weights"), {})


def serve(variant: str) -> Deploy:
    """Run `modal serve modal_app.py`, and end it as soon as the app is up."""
    return _modal(variant, ("serve", "modal_app.py"), {}, api_pb2.AppPublishRequest)


def _modal(variant: str, command: tuple[str, ...], env: Mapping[str, str], ends_with: type | None = None) -> Deploy:
    with TemporaryDirectory() as folder, Modal() as cloud:
        write(files_of("modal", variant), Path(folder))
        for name in ("personaplex", "voice"):
            cloud.add_secret(f"plexctl-{name}-{env.get('PLEXCTL_ID', 'byhand')}", dict.fromkeys(_KEYS, "a-value"))
        process = subprocess.Popen(
            [sys.executable, "-m", "modal", *command],
            cwd=folder,
            env=environment(Path(folder), cloud) | dict(env),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        if ends_with is not None:
            until(lambda: process.poll() is not None or bool(cloud.of(ends_with)), f"a {ends_with.__name__}")
            process.kill()
        output, _ = process.communicate(timeout=_MINUTE)
        return Deploy(process.returncode, output.decode(), cloud)


def write(files: Mapping[str, str], folder: Path) -> None:
    """Write files below a folder."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def environment(folder: Path, cloud: Modal) -> dict[str, str]:
    """Return an environment in which Modal's client knows no other server and no real credentials."""
    return {"PATH": os.environ["PATH"], "COLUMNS": "200", "HOME": str(folder), **cloud.environment_variables}


def body(resource: PlannedResource) -> dict[str, Any]:
    """Return a planned body to look into."""
    return dict(resource.body)

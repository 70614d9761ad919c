"""Rendered apps, deployed by Modal's own command to a loopback Modal that records what it was sent."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from modal_proto import api_pb2
from tests.serverless.modal_recorder import Recorder, definitions_of, modal_recorder
from tests.serverless.variants import files_of

from plexctl.model import PlannedResource

_MINUTE = 60


@dataclass(frozen=True)
class Deploy:
    """How `modal deploy` ended, what it printed, and what it sent."""

    code: int
    output: str
    recorder: Recorder

    @property
    def service(self) -> list[api_pb2.Function]:
        """The class's function, once for each GPU."""
        (request,) = [one for one in self._functions if definitions_of(one)[0].is_class]
        return definitions_of(request)

    @property
    def fetch(self) -> list[api_pb2.Function]:
        """The functions beside the class."""
        found = [definitions_of(one) for one in self._functions]
        return [definitions[0] for definitions in found if not definitions[0].is_class]

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

    @property
    def _functions(self) -> list[api_pb2.FunctionCreateRequest]:
        return self.recorder.of(api_pb2.FunctionCreateRequest)


@cache
def deploy(variant: str, **env: str) -> Deploy:
    """Render a variant and run `modal deploy modal_app.py` on it, as a user would."""
    with TemporaryDirectory() as folder:
        write(files_of("modal", variant), Path(folder))
        return asyncio.run(_deploy(Path(folder), env))


def write(files: Mapping[str, str], folder: Path) -> None:
    """Write files below a folder."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def environment(folder: Path, url: str) -> dict[str, str]:
    """Return an environment in which Modal's client knows no other server and no real credentials."""
    own = {"HOME": str(folder), "MODAL_SERVER_URL": url, "MODAL_TOKEN_ID": "ak-x", "MODAL_TOKEN_SECRET": "as-x"}
    return {"PATH": os.environ["PATH"], "COLUMNS": "200", **own}


async def _deploy(folder: Path, env: Mapping[str, str]) -> Deploy:
    async with modal_recorder() as (recorder, url):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "modal", "deploy", "modal_app.py"),
            cwd=folder,
            env=environment(folder, url) | dict(env),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await asyncio.wait_for(process.communicate(), _MINUTE)
        assert process.returncode is not None
        return Deploy(process.returncode, output.decode(), recorder)


def body(resource: PlannedResource) -> dict[str, Any]:
    """Return a planned body to look into."""
    return dict(resource.body)

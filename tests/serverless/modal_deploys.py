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
    """Run `modal run modal_app.py::fetch_weights`, and end it as soon as the function was called."""
    return _modal(variant, ("run", "modal_app.py::fetch_weights"), {}, api_pb2.FunctionMapRequest)


def serve(variant: str) -> Deploy:
    """Run `modal serve modal_app.py`, and end it as soon as the app is up."""
    return _modal(variant, ("serve", "modal_app.py"), {}, api_pb2.AppPublishRequest)


def _modal(variant: str, command: tuple[str, ...], env: Mapping[str, str], until: type | None = None) -> Deploy:
    with TemporaryDirectory() as folder:
        write(files_of("modal", variant), Path(folder))
        return asyncio.run(_run(Path(folder), command, env, until))


def write(files: Mapping[str, str], folder: Path) -> None:
    """Write files below a folder."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def environment(folder: Path, url: str) -> dict[str, str]:
    """Return an environment in which Modal's client knows no other server and no real credentials."""
    own = {"HOME": str(folder), "MODAL_SERVER_URL": url, "MODAL_TOKEN_ID": "ak-x", "MODAL_TOKEN_SECRET": "as-x"}
    return {"PATH": os.environ["PATH"], "COLUMNS": "200", **own}


async def _run(folder: Path, command: tuple[str, ...], env: Mapping[str, str], until: type | None) -> Deploy:
    async with modal_recorder() as (recorder, url):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "modal", *command),
            cwd=folder,
            env=environment(folder, url) | dict(env),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        if until is not None:
            done = asyncio.ensure_future(process.wait())
            await asyncio.wait(
                (done, asyncio.ensure_future(recorder.until(until))),
                timeout=_MINUTE,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if not done.done():
                process.kill()
        output, _ = await asyncio.wait_for(process.communicate(), _MINUTE)
        assert process.returncode is not None
        return Deploy(process.returncode, output.decode(), recorder)


def body(resource: PlannedResource) -> dict[str, Any]:
    """Return a planned body to look into."""
    return dict(resource.body)

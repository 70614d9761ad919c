"""The loopback Modal's state and its switches; `tests.clouds.modal.server` lets clients in."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from modal_proto import api_pb2
from tests.clouds.modal.faults import Fault
from tests.clouds.modal.refusals import not_found
from tests.clouds.modal.state import GPUS, App, Call, Function, Image, Line, Secret, Volume, new_id

if TYPE_CHECKING:
    from tests.clouds.modal.running import Running

TOKEN = ("ak-loopback", "as-loopback")
"""What clients have."""
_RATES = {"cpu_core": "0.0000131", "memory_gib": "0.00000222", "gpu_t4": "0.000164", "gpu_l4": "0.000222"} | {
    "gpu_a10": "0.000306",
    "gpu_l40s": "0.000542",
    "gpu_a100_40gb": "0.000583",
    "gpu_a100_80gb": "0.000694",
    "gpu_rtx_pro_6000": "0.000842",
    "gpu_h100": "0.001097",
    "gpu_h200": "0.001261",
    "gpu_b200": "0.001736",
}
"""USD a second, as of modal.com/pricing (docs/gpus.md); the keys are ours, Modal's are not known."""


class Cloud:
    """Everything at Modal. Attributes without a leading word are its books; the switches say so."""

    def __init__(self) -> None:
        self.token = TOKEN
        """The one that is good."""
        self.environments = ["main"]
        self.apps: dict[str, App] = {}
        self.functions: dict[str, Function] = {}
        self.secrets: dict[str, Secret] = {}
        self.volumes: dict[str, Volume] = {}
        self.images: dict[bytes, Image] = {}
        self.calls: dict[str, asyncio.Future[Any]] = {}
        self.rates = dict(_RATES)
        self.bills: dict[str, str] = {}
        """App id to USD."""
        self.requests: list[Call] = []
        """What came in, in order."""
        self.running: Running
        # Switches.
        self.gpus = {*GPUS, "B200", "B300"}
        self.faults: list[Fault] = []
        self.build_failure: tuple[str, ...] = ()
        """The last lines of an image build that fails."""
        self.fetch_failure: tuple[str, str | None] | None = None
        """Why the weights cannot be had, and the cause as the fetcher names it."""
        self.fetch_hangs = False
        self.has_capacity = True
        """Whether a container is ever given to a function with a GPU."""
        self.queue_s = 150.0
        """How long a request waits for a container before it is answered with 303."""
        self.cold_start_s = 0.0
        """By `clock`."""
        self.clock: Callable[[], float] = time.time
        self.container_variables: dict[str, str] = {}
        """Laid over a container's environment: how its engine fails."""
        self.unstoppable: set[str] = set()
        self.keeps_next_deleted = False
        self._stopping: set[asyncio.Task[None]] = set()

    def fail(self, fault: Fault) -> Fault:
        """Let something go wrong from now on."""
        self.faults.append(fault)
        return fault

    def add_secret(self, name: str, values: Mapping[str, str]) -> Secret:
        """Have a secret in the default environment, as its command line makes one."""
        secret = Secret(new_id("st"), name, self.environments[0], dict(values), self.clock())
        self.secrets[secret.id] = secret
        return secret

    def environment(self, name: str) -> str:
        """Return an environment's name; the default's for none."""
        if name and name not in self.environments:
            raise not_found(f"Environment {name!r}")
        return name or self.environments[0]

    def app(self, app_id: str) -> App:
        """Return an app by its id."""
        if app_id not in self.apps:
            raise not_found(f"App {app_id}")
        return self.apps[app_id]

    def deployed(self, name: str, environment: str) -> App | None:
        """Return the deployed app that has a name."""
        wanted = (name, environment, api_pb2.APP_STATE_DEPLOYED)
        return next((app for app in self.apps.values() if (app.name, app.environment, app.state) == wanted), None)

    def function_of(self, app_id: str, name: str) -> Function:
        """Return the function of an app, made when it is new: a redeploy keeps the id."""
        app = self.app(app_id)
        found = next((one for one in self.functions.values() if (one.app_id, one.name) == (app.id, name)), None)
        if found is None:
            found = Function(new_id("fu"), app.id, name)
            self.functions[found.id] = found
        return found

    def log(self, app: App, text: str, source: int = api_pb2.FILE_DESCRIPTOR_STDOUT, container: str = "") -> None:
        """Write to an app's log."""
        app.lines.append(Line(text, time.time(), len(app.lines), source, container))

    def keeps(self) -> bool:
        """Tell whether what is being deleted stays although the answer says otherwise, as was asked for once."""
        kept, self.keeps_next_deleted = self.keeps_next_deleted, False
        return kept

    def stop_soon(self, app: App) -> None:
        """Begin to end an app."""
        if app.state != api_pb2.APP_STATE_STOPPING:
            app.state = api_pb2.APP_STATE_STOPPING
            task = asyncio.ensure_future(self.stop_app(app))
            self._stopping.add(task)
            task.add_done_callback(self._stopping.discard)

    async def stop_app(self, app: App) -> None:
        """End an app and its containers."""
        app.state = api_pb2.APP_STATE_STOPPING
        await self.running.end(app)
        app.state, app.stopped_at = api_pb2.APP_STATE_STOPPED, self.clock()
        unnamed = {
            one for function_id in app.functions.values() for one in self.functions[function_id].definition.secret_ids
        }
        for secret_id in unnamed:
            if secret_id in self.secrets and not self.secrets[secret_id].name:
                del self.secrets[secret_id]

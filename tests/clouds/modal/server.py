"""The loopback Modal's door: gRPC on Modal's own protobufs, in a thread with a loop of its own."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Self, TypeVar

from grpclib.const import Handler, Status
from grpclib.exceptions import GRPCError
from grpclib.server import Server, Stream
from modal_proto import api_grpc
from tests.clouds.modal import apps, calls, logs, objects
from tests.clouds.modal.cloud import TOKEN, Cloud
from tests.clouds.modal.faults import Fault
from tests.clouds.modal.refusals import unauthenticated
from tests.clouds.modal.running import Running
from tests.clouds.modal.state import FINDS, App, Call
from tests.clouds.modal.table import ANSWERS, STREAMS

__all__ = ["Modal", "apps", "calls", "logs", "objects"]
T = TypeVar("T")
_CLOSING_S = 40.0


class Modal(Cloud):
    """A Modal on the loopback, from `with` to its end."""

    def __enter__(self) -> Self:
        self.changed: list[Call] = []
        """The calls that took effect."""
        self.names: dict[str, str] = {}
        self.loses_next_change = False
        self._leaves_at: str | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.running = Running(self)
        self._port = self.do(self._listen(0))
        self.url = f"http://127.0.0.1:{self._port}"
        return self

    def __exit__(self, *_: object) -> None:
        self.do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_CLOSING_S)
        self._loop.close()

    @property
    def environment_variables(self) -> dict[str, str]:
        """What sends a client here."""
        return {"MODAL_SERVER_URL": self.url, "MODAL_TOKEN_ID": TOKEN[0], "MODAL_TOKEN_SECRET": TOKEN[1]}

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Run something in the server's loop and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_CLOSING_S)

    def kill(self, app: App) -> None:
        """End an app as somebody would in Modal's dashboard."""
        self.do(self.stop_app(app))

    def pass_scaledown(self) -> None:
        """Let the time pass after which idle containers go."""
        self.do(self.running.scale_down())

    def leave_at(self, method: str) -> Callable[[], None]:
        """Return what makes it be gone from the network at the next call of a method: nobody listens any more."""

        def begin() -> None:
            self._leaves_at = method

        return begin

    def come_back(self) -> None:
        """Listen again, at the same address."""
        self._leaves_at = None
        self.do(self._listen(self._port))

    def changes(self) -> list[str]:
        """Return the calls so far that changed something, in order."""
        return [call.method for call in self.changed]

    def of(self, kind: type) -> list[Any]:
        """Return the requests of one kind."""
        return [call.request for call in self.requests if isinstance(call.request, kind)]

    def calls_of(self, method: str) -> list[Any]:
        """Return the requests of one method."""
        return [call.request for call in self.requests if call.method == method]

    def __mapping__(self) -> dict[str, Handler]:
        mapping = api_grpc.ModalClientBase.__mapping__(_Names())  # type: ignore[arg-type]
        return {path: handler._replace(func=self._answering(path, handler)) for path, handler in mapping.items()}

    def _answering(self, path: str, handler: Handler) -> Callable[[Stream[Any, Any]], Coroutine[Any, Any, None]]:
        method = path.rpartition("/")[2]

        async def answer(stream: Stream[Any, Any]) -> None:
            request = await stream.recv_message()
            metadata = {key: str(value) for key, value in (stream.metadata or {}).items()}
            at = len(self.requests)
            self.requests.append(Call(method, request, metadata))
            if (metadata.get("x-modal-token-id"), metadata.get("x-modal-token-secret")) != self.token:
                raise unauthenticated()
            if method == self._leaves_at:
                self._leaves_at = None
                self._server.close()
                stream._stream.connection.close()
                raise asyncio.CancelledError
            fault = next((one for one in self.faults if one.strikes(method)), Fault())
            await asyncio.sleep(fault.delay_s)
            if fault.status is not None:
                raise GRPCError(fault.status, fault.message)
            if method in STREAMS:
                async for one in STREAMS[method](self, request):
                    await stream.send_message(one)
                    if fault.is_lost:
                        await stream.cancel()
                        return
                return
            before = len(self.secrets) + len(self.volumes)
            reply = await self._reply(method, request)
            self._remember_names()
            if self.requests[at].changes and not (method in FINDS and before == len(self.secrets) + len(self.volumes)):
                self.changed.append(self.requests[at])
            loses = self.loses_next_change and self.requests[at] in self.changed[-1:]
            self.loses_next_change = self.loses_next_change and not loses
            if fault.is_lost or loses:
                await stream.cancel()
            else:
                await stream.send_message(handler.reply_type() if reply is None else reply)

        return answer

    async def _reply(self, method: str, request: Any) -> Any:
        if method not in ANSWERS:
            raise GRPCError(Status.UNIMPLEMENTED, f"the loopback Modal does not know {method}")
        reply = ANSWERS[method](self, request)
        return await reply if inspect.isawaitable(reply) else reply

    def _remember_names(self) -> None:
        """Keep what things were called that may be gone when somebody asks."""
        self.names |= {app.id: app.description for app in self.apps.values()}
        self.names |= {one.id: one.name for one in self.secrets.values()}
        self.names |= {one.id: one.name for one in self.volumes.values()}

    async def _listen(self, port: int) -> int:
        self._server = Server([self])  # here, since it takes the loop that it is made in
        await self._server.start("127.0.0.1", port)
        (socket,) = self._server._server.sockets  # type: ignore[union-attr]
        return int(socket.getsockname()[1])

    async def _close(self) -> None:
        self._server.close()
        await self.running.close()
        await self._server.wait_closed()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


class _Names:
    """Stands for the methods of a service while their names are read."""

    def __getattr__(self, name: str) -> str:
        return name

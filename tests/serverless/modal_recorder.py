"""A loopback Modal that takes an app as the service would, far enough that its own client calls it deployed.

It records every request of the client: what was read back from a rendered app is what Modal would have been sent.
It judges nothing; `modal` itself refuses wrong keywords, names and ranges before it sends.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from grpclib.const import Handler
from grpclib.server import Server, Stream
from modal_proto import api_grpc, api_pb2

IMAGE_BUILDER = "2025.06"
_ANSWERS: dict[str, dict[str, Any]] = {
    "AppCreate": {"app_id": "ap-1111111111111111111111"},
    "AppGetOrCreate": {"app_id": "ap-1111111111111111111111"},
    "AppPublish": {"url": "https://modal.invalid/app"},
    "AuthTokenGet": {"token": "e30.eyJleHAiOjk5OTk5OTk5OTl9.e30"},
    "ClassCreate": {"class_id": "cs-1"},
    "ImageGetOrCreate": {"image_id": "im-1"},
    "MountGetOrCreate": {"mount_id": "mo-1"},
    "MountPutFile": {"exists": True},
    "SecretGetOrCreate": {"secret_id": "st-1"},
    "VolumeGetOrCreate": {"volume_id": "vo-1"},
}


class Recorder:
    """The service's methods, each by its name; `requests` has what came, in order."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self._arrived = asyncio.Event()

    def of(self, kind: type) -> list[Any]:
        """Return the requests of one kind."""
        return [one for one in self.requests if isinstance(one, kind)]

    async def until(self, kind: type) -> None:
        """Wait for a request of a kind."""
        while not self.of(kind):
            self._arrived.clear()
            await self._arrived.wait()

    def __mapping__(self) -> dict[str, Handler]:
        mapping = api_grpc.ModalClientBase.__mapping__(_Names())  # type: ignore[arg-type]
        return {path: handler._replace(func=self._answer(path, handler)) for path, handler in mapping.items()}

    def _answer(self, path: str, handler: Handler) -> Any:
        name = path.rpartition("/")[2]

        async def answer(stream: Stream[Any, Any]) -> None:
            request = await stream.recv_message()
            self.requests.append(request)
            self._arrived.set()
            if name == "AppGetLogs":
                await asyncio.Event().wait()
            await stream.send_message(self._reply(name, request, handler.reply_type))

        return answer

    def _reply(self, name: str, request: Any, reply_type: Any) -> Any:
        if name in ("FunctionCreate", "FunctionPrecreate"):
            return _function(name, request)
        if name == "EnvironmentGetOrCreate":
            settings = api_pb2.EnvironmentSettings(image_builder_version=IMAGE_BUILDER)
            metadata = api_pb2.EnvironmentMetadata(name="main", settings=settings)
            return api_pb2.EnvironmentGetOrCreateResponse(environment_id="en-1", metadata=metadata)
        if name == "ImageJoinStreaming":
            result = api_pb2.GenericResult(status=api_pb2.GenericResult.GENERIC_STATUS_SUCCESS)
            return api_pb2.ImageJoinStreamingResponse(result=result)
        return reply_type(**_ANSWERS.get(name, {}))


class _Names:
    """Stands for the methods of a service while their names are read."""

    def __getattr__(self, name: str) -> str:
        return name


def _function(name: str, request: Any) -> Any:
    if name == "FunctionPrecreate":
        return api_pb2.FunctionPrecreateResponse(function_id=_function_id(request.function_name))
    definitions = definitions_of(request)
    first = definitions[0]
    methods = {
        method: api_pb2.FunctionHandleMetadata(function_name=one.function_name, web_url="https://voice.invalid")
        for method, one in first.method_definitions.items()
    }
    ranked = [api_pb2.FunctionData.RankedFunction(rank=rank, function=one) for rank, one in enumerate(definitions)]
    return api_pb2.FunctionCreateResponse(
        function_id=_function_id(first.function_name),
        function_data=api_pb2.FunctionData(function_name=first.function_name, ranked_functions=ranked),
        handle_metadata=api_pb2.FunctionHandleMetadata(
            function_name=first.function_name, function_type=first.function_type, method_handle_metadata=methods
        ),
    )


def definitions_of(request: api_pb2.FunctionCreateRequest) -> list[api_pb2.Function]:
    """Return what a request says of its function: once for each GPU that it may run on, the preferred one first."""
    ranked = [one.function for one in request.function_data.ranked_functions]
    return ranked or [request.function]


def _function_id(name: str) -> str:
    return f"fu-{name.replace('.', '').replace('*', '')}"


@asynccontextmanager
async def modal_recorder() -> AsyncIterator[tuple[Recorder, str]]:
    """Give a recorder and the address for MODAL_SERVER_URL."""
    recorder = Recorder()
    server = Server([recorder])
    await server.start("127.0.0.1", 0)
    (socket,) = server._server.sockets  # type: ignore[union-attr]
    try:
        yield recorder, f"http://127.0.0.1:{socket.getsockname()[1]}"
    finally:
        server.close()
        await server.wait_closed()

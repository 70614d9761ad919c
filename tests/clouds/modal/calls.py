"""Functions that are called at the loopback Modal: the one that fetches the weights, which is played, not run."""

from __future__ import annotations

import asyncio
import json
import pickle
from typing import Any

from modal_proto import api_pb2
from tests.clouds.modal.cloud import Cloud
from tests.clouds.modal.refusals import not_found
from tests.clouds.modal.state import Function, new_id
from tests.clouds.modal.table import answers

COMMIT = "c" * 40
FOLDER = "huggingface/hub/models--nvidia--personaplex-7b-v1"
_MARKERS = "huggingface/hub/.plexctl/models--nvidia--personaplex-7b-v1"
_TOTAL = 17_100_000_000


@answers("FunctionMap")
def call(cloud: Cloud, request: Any) -> Any:
    """Take the input of a function and begin to run it."""
    function = cloud.functions.get(request.function_id)
    if function is None:
        raise not_found(f"Function {request.function_id}")
    call_id = new_id("fc")
    cloud.calls[call_id] = asyncio.ensure_future(_run(cloud, function))
    inputs = [
        api_pb2.FunctionPutInputsResponseItem(idx=one.idx, input_id=new_id("in"), input_jwt="e30.e30.e30")
        for one in request.pipelined_inputs
    ]
    return api_pb2.FunctionMapResponse(function_call_id=call_id, pipelined_inputs=inputs)


@answers("FunctionGetOutputs")
async def outputs(cloud: Cloud, request: Any) -> Any:
    """Wait for a result, no longer than the client does."""
    running = cloud.calls[request.function_call_id]
    done, _ = await asyncio.wait([running], timeout=request.timeout)
    if not done:
        return api_pb2.FunctionGetOutputsResponse(num_unfinished_inputs=1)
    item = api_pb2.FunctionGetOutputsItem(
        result=running.result(), idx=0, input_id="in-1", data_format=api_pb2.DATA_FORMAT_PICKLE
    )
    return api_pb2.FunctionGetOutputsResponse(outputs=[item])


async def _run(cloud: Cloud, function: Function) -> Any:
    """Play the fetch: progress, then every file and its marker in the volume; or the failure that is wanted."""
    app, definition = cloud.app(function.app_id), function.definition
    for share in (0.25, 0.5, 1.0):
        done = int(_TOTAL * share)
        said = {"kind": "progress", "phase": "fetching weights", "bytes_done": done, "bytes_total": _TOTAL}
        cloud.log(app, json.dumps(said | {"bytes_per_second": 400_000_000, "seconds_left": 1.0}) + "\n")
        await asyncio.sleep(0)
    while cloud.fetch_hangs and app.is_alive:  # noqa: ASYNC110 - a switch of the test's, from another thread
        await asyncio.sleep(0.01)
    if cloud.fetch_failure is not None:
        reason, cause = cloud.fetch_failure
        cloud.log(app, json.dumps({"kind": "failed", "reason": reason, "cause": cause}) + "\n")
        error = RuntimeError("the weights could not be fetched (exit code 1): the reason stands above")
        return api_pb2.GenericResult(
            status=api_pb2.GenericResult.GENERIC_STATUS_FAILURE,
            exception=repr(error),
            traceback="Traceback of the container",
            data=pickle.dumps(error),
        )
    for mount in definition.volume_mounts:
        files = {f"{FOLDER}/snapshots/{COMMIT}/model.safetensors": _TOTAL, f"{FOLDER}/refs/main": 40}
        cloud.volumes[mount.volume_id].files |= files | {f"{_MARKERS}/{COMMIT}.json": 200}
    cloud.log(app, json.dumps({"kind": "done", "commit": COMMIT}) + "\n")
    return api_pb2.GenericResult(status=api_pb2.GenericResult.GENERIC_STATUS_SUCCESS, data=pickle.dumps(None))

"""The logs of apps at the loopback Modal: counted, fetched and streamed."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from typing import Any

from modal_proto import api_pb2
from tests.clouds.modal.cloud import Cloud
from tests.clouds.modal.state import Line
from tests.clouds.modal.table import answers, streams

_POLL_S = 0.02


@answers("AppCountLogs")
def count(cloud: Cloud, request: Any) -> Any:
    """Count an app's lines by buckets of time."""
    found: dict[int, int] = {}
    for line in _between(cloud, request):
        bucket = math.floor(line.time / request.bucket_secs) * request.bucket_secs
        found[bucket] = found.get(bucket, 0) + 1
    answer = api_pb2.AppCountLogsResponse()
    for start, number in sorted(found.items()):
        answer.buckets.add(stdout_logs=number).bucket_start_at.FromSeconds(start)
    return answer


@answers("AppFetchLogs")
def fetch(cloud: Cloud, request: Any) -> Any:
    """Return the last lines of a range of time, oldest first."""
    found = _between(cloud, request)
    return api_pb2.AppFetchLogsResponse(batches=[_batch(found[-request.limit :])] if request.limit else [])


@streams("AppGetLogs")
async def stream(cloud: Cloud, request: Any) -> AsyncIterator[Any]:
    """Send the lines after the one that the client had last, then those that come, until the app has ended.

    A client that had none gets those from now on: the history is for `AppFetchLogs`.
    """
    app = cloud.app(request.app_id)
    sent = int(request.last_entry_id.partition("-")[0]) if request.last_entry_id else len(app.lines)
    deadline = asyncio.get_running_loop().time() + request.timeout
    while asyncio.get_running_loop().time() < deadline:
        ended = not app.is_alive
        fresh = app.lines[sent:]
        if fresh:
            sent += len(fresh)
            yield _batch(fresh, entry_id=f"{sent}-0")
        if ended:
            yield api_pb2.TaskLogsBatch(app_done=True, entry_id=f"{sent}-0")
            return
        await asyncio.sleep(_POLL_S)


def _between(cloud: Cloud, request: Any) -> list[Line]:
    since, until = (one.seconds + one.nanos / 1e9 for one in (request.since, request.until))
    return [line for line in cloud.app(request.app_id).lines if since <= line.time < until]


def _batch(lines: Sequence[Line], entry_id: str = "") -> Any:
    items = [
        api_pb2.TaskLogs(
            data=line.text,
            timestamp=line.time,
            timestamp_ns=round(line.time * 1e9),
            file_descriptor=line.source,
            container_id=line.container,
        )
        for line in lines
    ]
    return api_pb2.TaskLogsBatch(items=items, entry_id=entry_id)

"""The bytes of a file from a position on, out of Xet storage, which hf-xet fetches in parallel pieces.

hf-xet tries an address that does not answer for minutes and cannot be told otherwise, so that a thread of its own waits
for it: who reads from here hears of the silence, and has plain HTTP.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import Any

from plexctl.gateway.weights.hub import File, Hub

_WAITING_BLOCKS = 16
_END = b""


def is_on(file: File) -> bool:
    """Tell whether a file lies in Xet storage; HF_HUB_DISABLE_XET switches that off."""
    from huggingface_hub import constants

    return file.xet is not None and not constants.HF_HUB_DISABLE_XET


def over_xet(hub: Hub, file: File, first: int, silence_s: float) -> Iterator[bytes]:
    """Yield the file from `first` on. Raises TimeoutError after a silence, and whatever hf-xet raises."""
    blocks: queue.Queue[bytes | BaseException] = queue.Queue(_WAITING_BLOCKS)
    is_over = threading.Event()
    threading.Thread(target=_read, args=(hub, file, first, blocks, is_over), daemon=True).start()
    try:
        while True:
            try:
                block = blocks.get(timeout=silence_s)
            except queue.Empty:
                raise TimeoutError from None
            if isinstance(block, BaseException):
                raise block
            if block == _END:
                return
            yield block
    finally:
        is_over.set()


def _read(
    hub: Hub, file: File, first: int, blocks: queue.Queue[bytes | BaseException], is_over: threading.Event
) -> None:
    last: bytes | BaseException = _END
    try:
        for block in _stream(hub, file, first):
            _put(blocks, bytes(block), is_over)
            if is_over.is_set():
                return
    except Exception as error:  # noqa: BLE001 - raised where the blocks are read
        last = error
    _put(blocks, last, is_over)


def _put(blocks: queue.Queue[bytes | BaseException], block: bytes | BaseException, is_over: threading.Event) -> None:
    """Hand a block on, unless nobody reads any more."""
    while not is_over.is_set():
        try:
            blocks.put(block, timeout=1)
        except queue.Full:
            continue
        return


def _stream(hub: Hub, file: File, first: int) -> Any:
    from hf_xet import XetFileInfo  # type: ignore[import-untyped]
    from huggingface_hub.utils import _xet

    found: Any = file.xet
    connection = _xet.refresh_xet_connection_info(file_data=found, headers=hub.headers)
    session: Any = _xet.get_xet_session()  # type: ignore[no-untyped-call]
    group = session.new_download_stream_group(
        endpoint=connection.endpoint,
        token=connection.access_token,
        token_expiry_unix_secs=connection.expiration_unix_epoch,
        token_refresh_url=found.refresh_route,
        token_refresh_headers=hub.headers,
        custom_headers=_xet.xet_headers_without_auth(hub.headers),
    )
    return group.download_stream(XetFileInfo(found.file_hash, file.size), start=first)

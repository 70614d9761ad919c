"""Start upstream's `moshi.server` on the loopback only; run by the python of PersonaPlex's own environment.

Imports nothing of plexctl, which is not installed there. It does two things before handing over: it makes
`aiohttp.web.run_app` bind 127.0.0.1 (upstream parses `--host` and then binds every address), and it ends the process
when standard input ends, which is how an engine learns that its gateway is gone, even by SIGKILL.

With `--revision=COMMIT` as its first argument every file of a model is read at that commit, which upstream cannot be
told. With `--script=FILE` it runs that file instead of the module: a fork's or another server.
"""

from __future__ import annotations

import os
import runpy
import sys
import threading
from typing import Any

_GATEWAY_GONE = 70


def _end_with_gateway() -> None:
    while os.read(0, 4096):
        pass
    os._exit(_GATEWAY_GONE)


def _read_at(revision: str) -> None:
    """Make `revision` what huggingface_hub.hf_hub_download reads when its caller names none."""
    import huggingface_hub

    download = huggingface_hub.hf_hub_download

    def download_at(*arguments: Any, **options: Any) -> Any:
        return download(*arguments, **{"revision": revision, **options})

    huggingface_hub.hf_hub_download = download_at


def main() -> None:
    """Hand over to the server; does not return while it runs."""
    from aiohttp import web

    run_app = web.run_app

    def run_on_loopback(app: Any, **options: Any) -> None:
        run_app(app, **{**options, "host": "127.0.0.1"})

    web.run_app = run_on_loopback
    threading.Thread(target=_end_with_gateway, daemon=True).start()
    option, _, value = (sys.argv[1:2] or [""])[0].partition("=")
    if option == "--script":
        sys.argv = [value, *sys.argv[2:]]
        sys.path[0] = os.path.dirname(os.path.abspath(value))  # noqa: PTH100, PTH120 - what Python itself does
        runpy.run_path(value, run_name="__main__")
        return
    if option == "--revision":
        del sys.argv[1]
        _read_at(value)
    runpy.run_module("moshi.server", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()

"""`python -m plexctl.gateway.weights`: fetch what the environment asks for, and say how it goes on standard output.

Exit codes: 0 every file is here, 1 it cannot be had (the last line says why), 70 the gateway is gone: standard input
has ended, which a SIGKILL of the gateway does too. What has come by then stays, and the next start goes on from there.
"""

from __future__ import annotations

import os
import sys
import threading
import traceback

from plexctl.gateway.weights.errors import FetchError
from plexctl.gateway.weights.fetch import fetch
from plexctl.gateway.weights.messages import Done, Failed, Message, encode
from plexctl.gateway.weights.request import request_in

_GATEWAY_GONE = 70
_writing = threading.Lock()


def say(message: Message) -> None:
    """Write one message; threads take turns."""
    with _writing:
        sys.stdout.write(encode(message) + "\n")
        sys.stdout.flush()


def _end_with_gateway() -> None:
    while os.read(0, 4096):
        pass
    os._exit(_GATEWAY_GONE)


def main() -> None:
    """Fetch; ends the process, because threads may still wait for a Hub that is not needed any more."""
    threading.Thread(target=_end_with_gateway, daemon=True).start()
    code = 0
    try:
        say(Done(fetch(request_in(os.environ), say)))
    except FetchError as error:
        say(Failed(error.words, error.cause))
        code = 1
    except Exception:  # noqa: BLE001 - whatever it is, no thread may keep the process
        traceback.print_exc()
        code = 1
    os._exit(code)


if __name__ == "__main__":
    main()

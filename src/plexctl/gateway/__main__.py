"""`python -m plexctl.gateway`: run the gateway with what the environment says.

Exit codes: 0 ended by a signal or by its clock, 3 a setting is wrong or no certificate could be made, 11 the port is
taken.
The first thing it does, before anything heavy is imported, is to listen for signals (the first process of a container
is sent none that it does not ask for), and to write its pid to the inherited PLEXCTL_PID_FD: the file is locked by
whoever started it, and the lock lives as long as any process of the deployment.
"""

from __future__ import annotations

import os
import signal
import sys

_CONFIGURATION = 3
_CONFLICT = 11


def end_when_told() -> None:
    """End at once by SIGTERM or SIGINT: until the gateway listens there is nothing to drain."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))


def write_pid(raw: str) -> None:
    """Write this process's pid to the inherited file `raw` names; says so and exits 3 when that cannot be."""
    if not raw:
        return
    try:
        descriptor = int(raw)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    except (OSError, ValueError) as error:
        fail(_CONFIGURATION, f"PLEXCTL_PID_FD={raw!r} is no file to write to: {error}")


def fail(code: int, text: str) -> None:
    """Say why on one line and exit."""
    sys.stderr.write(f"plexctl gateway: {text}\n")
    sys.exit(code)


def announce(line: str) -> None:
    """Write a line of its own to standard output; where nobody reads that, nobody can trust this gateway."""
    from contextlib import suppress

    with suppress(OSError, ValueError):
        sys.stdout.write(line)
        sys.stdout.flush()


def main() -> None:
    """Run the gateway until it is told to stop."""
    end_when_told()
    write_pid(os.environ.get("PLEXCTL_PID_FD", ""))

    import asyncio

    from plexctl.gateway.certificate import self_signed
    from plexctl.gateway.server import PortError, listening_socket, serve
    from plexctl.gateway.settings import Settings, SettingsError, refuse_open

    try:
        settings = Settings.from_environment(os.environ)
        identity = self_signed() if settings.listening.has_tls else None
        if identity is not None:
            announce(identity.line)
        bound = listening_socket(settings.listening)
        if not settings.token:
            # The name may have resolved to, or the inherited socket be bound to, anything.
            refuse_open(str(bound.getsockname()[0]), settings.listening.published_on)
    except SettingsError as error:
        fail(_CONFIGURATION, str(error))
    except PortError as error:
        fail(_CONFLICT, str(error))
    else:
        asyncio.run(serve(settings, bound, None if identity is None else identity.context))


if __name__ == "__main__":
    main()

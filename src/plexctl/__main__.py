"""`plexctl` and `python -m plexctl`: the only place that turns errors into exit codes."""

from __future__ import annotations

import sys


def main() -> None:
    """Run plexctl and exit with the documented code."""
    if sys.argv[1:] == ["--version"]:
        # Answered before anything is imported: scripts ask this first, and often.
        from plexctl import __version__

        try:
            print(f"plexctl {__version__}", flush=True)  # noqa: T201
        except OSError:
            pass  # Said in full, with its exit code, below.
        else:
            return
    from plexctl.cli.main import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()

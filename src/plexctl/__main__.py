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
    try:
        from plexctl.cli.main import run

        code = run(sys.argv[1:])
    except KeyboardInterrupt:
        # So early that nothing was loaded yet which could say it.
        from plexctl.errors import InterruptedByUser
        from plexctl.output import Output

        Output(as_json="--json" in sys.argv).failure(InterruptedByUser("interrupted"))
        code = InterruptedByUser.exit_code
    sys.exit(code)


if __name__ == "__main__":
    main()

"""The real CLI in this process, where what is asked of it is no matter of processes."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass

import pytest
from tests.cli.process import Plexctl, Result

from plexctl.cli.main import run


@dataclass(frozen=True)
class Here(Plexctl):
    """Runs plexctl in this process, in the same clean environment: what is asked of it is no matter of processes."""

    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *argv: str, env: Mapping[str, str] | None = None, timeout_s: float = 60) -> Result:
        """Run plexctl to its end."""
        del timeout_s
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        wanted = self.environment(env)
        with self.monkeypatch.context() as patched:
            for name in os.environ.keys() - wanted.keys():
                patched.delenv(name)
            for name, value in wanted.items():
                patched.setenv(name, value)
            patched.chdir(self.work)
            try:
                code = run(argv)
            finally:
                for number, handler in before.items():
                    signal.signal(number, handler)
        said = self.capsys.readouterr()
        return Result(argv, code, said.out, said.err, json.loads(said.out) if "--json" in argv else {})

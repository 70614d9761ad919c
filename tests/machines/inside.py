"""Runs inside a test machine: says what is on it, and kills bootstrap.sh at a given point. Answers with JSON."""

from __future__ import annotations

import glob
import hashlib
import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

_PATIENCE_S = 60.0


def entries(root: Path) -> Iterator[Path]:
    """Yield everything below a folder, and itself."""
    if root.exists() or root.is_symlink():
        yield root
    for folder, folders, files in os.walk(root):
        yield from (Path(folder, name) for name in (*folders, *files))


def describe(path: Path) -> list[str]:
    """Return kind and mode, owner, contents, and time of a path."""
    found = path.lstat()
    contents = ""
    if stat.S_ISLNK(found.st_mode):
        contents = str(path.readlink())
    elif stat.S_ISREG(found.st_mode):
        contents = hashlib.sha256(path.read_bytes()).hexdigest()
    return [stat.filemode(found.st_mode), f"{found.st_uid}:{found.st_gid}", contents, str(found.st_mtime_ns)]


def kill_at(stage: str, pattern: str) -> list[str]:
    """Kill the script's whole process group once `stage` began and a path matches; return its lines up to there."""
    argv = ["bash", "/root/bundle/bootstrap.sh"]
    lines = []
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line.rstrip("\n"))
            if line.endswith(f" {stage} started\n"):
                break
        deadline = time.monotonic() + _PATIENCE_S
        while not glob.glob(pattern) and time.monotonic() < deadline:  # noqa: PTH207 - a pattern from the root
            pass
        os.killpg(process.pid, signal.SIGKILL)
    lines.append(f"ended with {process.returncode}")
    return lines


def main() -> None:
    """Answer what the first argument asks."""
    question, *arguments = sys.argv[1:]
    if question == "listing":
        answer = {str(path): describe(path) for root in arguments for path in entries(Path(root))}
    else:
        answer = {"lines": kill_at(*arguments)}
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()

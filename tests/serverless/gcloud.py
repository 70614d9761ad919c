"""Stands for gcloud: remembers what was made, in a folder, and writes down how it was called.

As the real one it fails to describe what is not there and to create what is; it understands what deploy.sh says only.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

STATE = Path(os.environ["FAKE_GCLOUD"])
ANSWERS = {
    "value(projectNumber)": "123456789012",
    "value(image_summary.digest)": f"sha256:{'d' * 64}",
    "value(status.url)": "https://voice-x.a.run.app",
}


def main(argv: list[str]) -> int:
    """Do what one command line asks; returns the exit code."""
    options = dict(one.removeprefix("--").partition("=")[::2] for one in argv if one.startswith("--"))
    words = [one for one in argv if not one.startswith("--")]
    given = sys.stdin.read() if options.get("data-file") == "-" else None
    with (STATE / "calls.jsonl").open("a", encoding="utf-8") as log:
        log.write(json.dumps({"argv": argv, "stdin": given}) + "\n")
    if words[:2] == ["secrets", "versions"]:
        return _version(words[2], options.get("secret") or words[3], given)
    if words[:2] == ["builds", "submit"]:
        found = re.search(r'images:\n\s+- "([^"]+)"', Path(options["config"]).read_text(encoding="utf-8"))
        assert found, "a build of an image"
        return _make("images", found[1])
    if words[:3] == ["run", "services", "replace"]:
        (STATE / "service.yaml").write_text(Path(words[3]).read_text(encoding="utf-8"), encoding="utf-8")
    if "create" in words:
        return _make(*words[words.index("create") - 1 :: 2][:2])
    if "describe" in words and words[0] in ("secrets", "storage", "artifacts"):
        where = _place(*words[words.index("describe") - 1 :: 2][:2])
        if not where.exists():
            return 1
    sys.stdout.write(ANSWERS.get(options.get("format", ""), ""))
    return 0


def _version(verb: str, secret: str, value: str | None) -> int:
    where = STATE / f"version-{secret}"
    if verb == "add":
        assert value is not None
        where.write_text(value, encoding="utf-8")
    elif where.exists():
        sys.stdout.write(where.read_text(encoding="utf-8"))
    else:
        return 1
    return 0


def _make(kind: str, name: str) -> int:
    where = _place(kind, name)
    if where.exists():
        return 1
    where.touch()
    return 0


def _place(kind: str, name: str) -> Path:
    return STATE / re.sub(r"[^A-Za-z0-9.-]", "_", f"{kind}-{name}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

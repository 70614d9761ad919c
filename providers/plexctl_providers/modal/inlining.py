"""A Dockerfile that needs no files: what it copies is written by its own commands, so that nothing is uploaded. Pure.

Each COPY becomes a RUN with the same files, so that a layer depends on the same files as before: torch's not on ours.
"""

from __future__ import annotations

import base64
import gzip
import io
import re
import shlex
import tarfile
from collections.abc import Iterator, Mapping

_COPY = re.compile(r"COPY (?!--)(?P<words>[^\\\n]+)")
_CHUNK = 64 * 1024
"""Characters of one RUN: a shell is given its command as one argument, and Linux takes 128 KiB for it."""


def inlined(files: Mapping[str, str]) -> str:
    """Return the Dockerfile of a build context (path to text) with every file that it copies in it.

    Its COPY commands stand on one line each, without flags but `--from`: those copy from another stage, and stay.
    """
    lines: list[str] = []
    for line in files["Dockerfile"].splitlines():
        found = _COPY.fullmatch(line)
        lines += _written(files, found["words"].split()) if found else [line]
    return "\n".join(lines) + "\n"


def _written(files: Mapping[str, str], words: list[str]) -> Iterator[str]:
    *sources, target = words
    below: dict[str, str] = {}
    for source in sources:
        if source.endswith("/"):
            below |= {path.removeprefix(source): text for path, text in files.items() if path.startswith(source)}
        else:
            below[source.rpartition("/")[2]] = files[source]
    packed = base64.b64encode(_archive(below)).decode()
    pieces = [packed[at : at + _CHUNK] for at in range(0, len(packed), _CHUNK)]
    for piece in pieces[:-1]:
        yield f"RUN printf %s {piece} >> /tmp/plexctl.tar.gz.base64"
    folder = shlex.quote(target)
    before = "cat /tmp/plexctl.tar.gz.base64; " if pieces[1:] else ""
    after = " && rm /tmp/plexctl.tar.gz.base64" if pieces[1:] else ""
    yield (
        f"RUN mkdir -p {folder} && {{ {before}printf %s {pieces[-1]}; }} | base64 -d | tar -xz -C {folder}"
        f" --no-same-owner{after}"
    )


def _archive(files: Mapping[str, str]) -> bytes:
    """Return the files as a gzipped tar, the same bytes for the same files."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path, text in sorted(files.items()):
            content = text.encode()
            info = tarfile.TarInfo(path)
            info.size, info.mode = len(content), 0o644
            archive.addfile(info, io.BytesIO(content))
    return gzip.compress(packed.getvalue(), mtime=0)

"""A build context as the one tar stream that an engine is sent, and as the hash by which its image is known. Pure."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping

_SCRIPT_MODE = 0o755
_FILE_MODE = 0o644


def tar_of(files: Mapping[str, str]) -> bytes:
    """Return the files as a tar archive: sorted, without times or owners, scripts (`*.sh`) executable."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, text in sorted(files.items()):
            content = text.encode()
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            entry.mode = _SCRIPT_MODE if path.endswith(".sh") else _FILE_MODE
            archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def context_hash(files: Mapping[str, str], build_args: Mapping[str, str]) -> str:
    """Return the SHA-256 (hex) of everything that decides what is built."""
    digest = hashlib.sha256(tar_of(files))
    digest.update(json.dumps(dict(build_args), sort_keys=True).encode())
    return digest.hexdigest()

"""Fetch NVIDIA's server and check every file of it before anything is run.

usage: fetch_upstream.py URL FOLDER SHA256 DESTINATION

URL is a .tar.gz with FOLDER in its one top folder. SHA256 is that of the lines that `sha256sum` prints for the folder's
files, in order of their paths.
"""

import hashlib
import io
import sys
import tarfile
import urllib.request
from pathlib import Path

_TIMEOUT_S = 60
_LARGEST_BYTES = 256 * 1024 * 1024


def main(url, folder, expected, destination):
    with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:
        archive = answer.read(_LARGEST_BYTES)
    files = files_in(archive, folder)
    found = digest_of(files)
    if found != expected:
        sys.exit(f"{url}: the {len(files)} files of {folder} have the digest {found}, not {expected}")
    for path, content in files.items():
        target = Path(destination, path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def files_in(archive, folder):
    """Return path below the folder to content."""
    found = {}
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        for member in tar:
            top, _, path = member.name.partition(f"/{folder}/")
            if member.isfile() and path and "/" not in top:
                found[path] = tar.extractfile(member).read()
    return found


def digest_of(files):
    """Return the digest of all files. What it covers are the paths too: none can lead out of the destination."""
    lines = (f"{hashlib.sha256(files[path]).hexdigest()}  {path}\n" for path in sorted(files))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


if __name__ == "__main__":
    main(*sys.argv[1:])

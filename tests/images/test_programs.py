"""The small programs in the context: the health check, the fetch of upstream, and the proof of the engine."""

from __future__ import annotations

import hashlib
import http.server
import io
import sys
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.images.rig import PLAIN, run, write

from plexctl.images import PROFILES, context_files

PROGRAMS = ("check_engine.py", "fetch_upstream.py", "healthcheck.py")
SOURCE = {"pyproject.toml": b"[project]\n", "moshi/__init__.py": b"", "moshi/models/lm.py": b"x = 1\n"}


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """Return the folder of the programs, as an image with torch has them."""
    files = context_files(PLAIN, PROFILES["cu121"])
    write({name: files[name] for name in PROGRAMS}, tmp_path)
    return tmp_path


@contextmanager
def health_says(status: int) -> Iterator[int]:
    """Serve /health with a status on the loopback; give the port."""

    class Health(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/health" else 404)
            self.end_headers()
            self.wfile.write(b'{"state": "told"}')

        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Health) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1), (201, 1), (500, 1)])
@pytest.mark.parametrize("variable", ["PLEXCTL_PORT", "PORT"])
def test_health_is_200_and_nothing_else(programs: Path, status: int, code: int, variable: str) -> None:
    """It ends with 0 for 200 only, on the port that the gateway listens on, past any proxy, and shows the answer."""
    with health_says(status) as port:
        env = {variable: str(port), "http_proxy": "http://127.0.0.1:1", "HTTP_PROXY": "http://127.0.0.1:1"}
        done = run(sys.executable, "-I", programs / "healthcheck.py", env=env)
    assert done.returncode == code, done.stderr
    assert done.stdout.split(maxsplit=1) == [str(status), '{"state": "told"}\n']


def test_a_gateway_that_does_not_answer_is_not_healthy(programs: Path) -> None:
    """Where nobody listens it ends with 1 and one line that says so."""
    with health_says(200) as port:
        pass
    done = run(sys.executable, "-I", programs / "healthcheck.py", env={"PLEXCTL_PORT": str(port)})
    assert done.returncode == 1
    assert done.stderr.startswith(f"no answer on port {port}: ")


def archive(files: dict[str, bytes], path: Path) -> str:
    """Write an archive such as GitHub's, other folders beside the one that is wanted; return its URL."""
    with tarfile.open(path, "w:gz") as tar:
        for name, content in {**{f"top/moshi/{name}": c for name, c in files.items()}, "top/client/x.ts": b"y"}.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path.as_uri()


def digest_by_sha256sum(files: dict[str, bytes]) -> str:
    """Return what `sha256sum` of the sorted files, piped into `sha256sum`, prints."""
    lines = [f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def test_upstream_is_taken_when_every_file_is_the_one_expected(programs: Path, tmp_path: Path) -> None:
    """The folder's files arrive, and nothing that lies beside it in the archive."""
    url, target = archive(SOURCE, tmp_path / "a.tar.gz"), tmp_path / "out"
    done = run(sys.executable, programs / "fetch_upstream.py", url, "moshi", digest_by_sha256sum(SOURCE), target)
    assert done.returncode == 0, done.stderr
    assert {str(path.relative_to(target)): path.read_bytes() for path in target.rglob("*") if path.is_file()} == SOURCE


@pytest.mark.parametrize(
    "other",
    [
        SOURCE | {"moshi/models/lm.py": b"x = 2\n"},
        SOURCE | {"moshi/models/more.py": b""},
        {name: content for name, content in SOURCE.items() if name != "moshi/__init__.py"},
        SOURCE | {"../../escaped.py": b""},
        {},
    ],
    ids=["changed", "added", "missing", "leads out", "empty"],
)
def test_upstream_is_refused_when_any_file_differs(programs: Path, tmp_path: Path, other: dict[str, bytes]) -> None:
    """A changed, an added and a missing file are refused with both digests, before anything is written."""
    url, target = archive(other, tmp_path / "a.tar.gz"), tmp_path / "out"
    done = run(sys.executable, programs / "fetch_upstream.py", url, "moshi", digest_by_sha256sum(SOURCE), target)
    assert done.returncode == 1
    assert digest_by_sha256sum(SOURCE) in done.stderr
    assert digest_by_sha256sum(other) in done.stderr
    assert not target.exists()
    assert not (tmp_path / "escaped.py").exists()


TORCH = """
__version__ = "2.4.1+cu121"
class version: cuda = "12.1"
class _C:
    @staticmethod
    def _cuda_getArchFlags(): return "sm_80 sm_86 sm_90"
"""
STUBS = ("accelerate", "aiohttp", "huggingface_hub", "moshi/__init__", "moshi/models", "moshi/offline", "pyloudnorm")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["2.4.1", "12.1", "sm_80", "sm_90"], ""),
        (["2.9.1", "12.1", "sm_80"], "torch 2.4.1 for CUDA 12.1 is installed, not 2.9.1 for 12.1"),
        (["2.4.1", "12.8", "sm_80"], "torch 2.4.1 for CUDA 12.1 is installed, not 2.4.1 for 12.8"),
        (["2.4.1", "12.1", "sm_90", "sm_120"], "no kernels for sm_120; it has sm_80, sm_86, sm_90"),
    ],
)
def test_the_engine_is_proven_or_the_build_fails(programs: Path, arguments: list[str], words: str) -> None:
    """Another torch, another CUDA or a missing kernel ends the build, and says what was found."""
    write({"torch.py": TORCH, "sphn.py": "", **{f"{name}.py": "" for name in STUBS}}, programs)
    done = run(sys.executable, programs / "check_engine.py", *arguments)
    assert done.returncode == (1 if words else 0), done.stderr
    assert words in done.stderr


def test_an_engine_that_cannot_be_imported_fails_the_build(programs: Path) -> None:
    """A module of upstream's that is not there, or whose library is not, is an error at build time."""
    write({"torch.py": TORCH, **{f"{name}.py": "" for name in STUBS}}, programs)
    write({"sphn.py": "raise ImportError('libopus.so.0: cannot open shared object file')"}, programs)
    done = run(sys.executable, programs / "check_engine.py", "2.4.1", "12.1", "sm_80")
    assert done.returncode == 1
    assert "libopus.so.0" in done.stderr

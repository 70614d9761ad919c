"""Start Kyutai's own `moshi.server` on the loopback with small random weights, on a CPU.

    python kyutai.py --port 8999 --models DIR [any flag of PersonaPlex's server]

Runs in the environment that `environments.py kyutai` makes. The server is unmodified; this launcher only
corrects what keeps it from a CPU (its warm-up waits for a GPU) and leaves out the flags that it lacks,
since plexctl gives them for PersonaPlex's server. It greets at once, reads no query, and serves one caller
at a time.
"""

import argparse
import os
import runpy
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.real.servers.tiny_models import prepare, shrink, use_cpu_only
else:  # beside this file: the launcher runs as a script, in an environment without plexctl
    from tiny_models import prepare, shrink, use_cpu_only

MODELS_VARIABLE = "PLEXCTL_TEST_MODELS"
STATIC_REPO = "kyutai/moshi-artifacts"


def parse(arguments: Sequence[str] | None) -> tuple[argparse.Namespace, list[str]]:
    """Split the command line into what this server takes and what it lacks."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0], allow_abbrev=False)
    parser.add_argument("--models", type=Path, default=os.environ.get(MODELS_VARIABLE))
    parser.add_argument("--port", type=int, default=8998)
    parser.add_argument("--hf-repo", default="kyutai/moshiko-pytorch-bf16")
    parser.add_argument("--static", default="none")
    parser.add_argument("--ssl")
    parser.add_argument("--host", help="taken, and always 127.0.0.1")
    parser.add_argument("--device", help="taken, and always cpu")
    options, ignored = parser.parse_known_args(arguments)
    if options.models is None:
        parser.error(f"name a folder for the weights with --models or {MODELS_VARIABLE}")
    return options, ignored


def server_arguments(options: argparse.Namespace) -> list[str]:
    """Return the command line for upstream's own parser."""
    taken = ["--host", "127.0.0.1", "--port", str(options.port), "--device", "cpu"]
    taken += ["--hf-repo", options.hf_repo, "--static", options.static]
    if options.ssl is not None:
        taken += ["--ssl", options.ssl]
    return taken


def main(arguments: Sequence[str] | None = None) -> None:
    """Prepare the weights and become the server; it returns when the server stops."""
    options, ignored = parse(arguments)
    if ignored:
        sys.stderr.write(f"flags that Kyutai's server lacks, ignored: {' '.join(ignored)}\n")
    hub_cache = options.models.resolve() / "kyutai-hub"
    use_cpu_only(hub_cache)
    torch: Any = import_module("torch")
    torch.set_num_threads(1)
    torch.cuda.synchronize = lambda *_: None
    loaders = import_module("moshi.models.loaders")
    shrink(loaders)
    prepare(options.models.resolve(), "kyutai", (options.hf_repo, STATIC_REPO), hub_cache, loaders)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    sys.argv = ["moshi.server", *server_arguments(options)]
    runpy.run_module("moshi.server", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()

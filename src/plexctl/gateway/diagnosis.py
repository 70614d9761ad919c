"""Why an engine died, in words with a way out: a table from what servers print to what a person can do.

First match wins; the newest lines are read first, and a line that says nothing is passed over.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence

_WORDS: tuple[tuple[str, str], ...] = (
    (
        r"OutOfMemoryError|CUDA out of memory|CUBLAS_STATUS_ALLOC_FAILED",
        "out of GPU memory: PersonaPlex needs a GPU with 20 GiB free; use a bigger one or free this one",
    ),
    (
        r"no kernel image is available|is not compatible with the current PyTorch installation",
        "no kernel for this GPU: its torch was built for other GPUs; use an image made for this GPU",
    ),
    (
        r"GatedRepoError|gated repo|not in the authorized list",
        "the model is gated: accept its licence on huggingface.co with the account of HF_TOKEN",
    ),
    (
        r"401 Client Error|Invalid user token|Invalid credentials in Authorization",
        "the model hub refused the token (401): set HF_TOKEN to a valid read token",
    ),
    (
        r"403 Client Error|403 Forbidden",
        "the model hub refused access (403): give the token of HF_TOKEN read access to the gated model",
    ),
    (
        r"RepositoryNotFoundError|404 Client Error|RevisionNotFoundError",
        "the model was not found on the hub: check PLEXCTL_MODEL_REPO and HF_TOKEN",
    ),
    (
        r"LocalEntryNotFoundError|Failed to resolve|name resolution|Name or service not known|Network is unreachable",
        "no network to the model hub: check the host's network or HF_ENDPOINT",
    ),
    (
        r"No space left on device",
        "the disk is full: give at least 40 GB to HF_HOME",
    ),
    (
        r"No CUDA GPUs|Found no NVIDIA driver|CUDA driver version is|no CUDA-capable|not compiled with CUDA",
        "no usable GPU: check that the container sees one and that its driver is recent enough",
    ),
    (
        r"No module named '?(?P<what>[\w.]+)",
        "missing module {what}: the engine's environment is incomplete",
    ),
    (
        r"(?P<what>[\w.+-]+\.so[.\w]*): cannot open shared object file",
        "missing library {what}: install it in the image",
    ),
    (
        r"^plexctl: (?P<what>.*)$",
        "{what}, and was ended",
    ),
    (
        r"[Aa]ddress already in use",
        "the engine's port was taken by another process",
    ),
)
_TABLE = tuple((re.compile(pattern), words) for pattern, words in _WORDS)
_MAX_LAST_LINE = 300


def reason_for(exit_code: int | None, lines: Sequence[str]) -> str:
    """Return the reason for an engine's death from its exit code (negative: a signal) and its last lines."""
    for line in reversed(lines):
        for pattern, words in _TABLE:
            match = pattern.search(line)
            if match is not None:
                return words.format_map(match.groupdict())
    if exit_code == -signal.SIGKILL:
        return "killed by the system (SIGKILL): most likely the host ran out of memory"
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return f"{_ending(exit_code)}; last line: {last[:_MAX_LAST_LINE]}" if last else _ending(exit_code)


def _ending(exit_code: int | None) -> str:
    if exit_code is None:
        return "the engine stopped"
    if exit_code < 0:
        return f"the engine was ended by signal {-exit_code}"
    return f"the engine exited with {exit_code}"

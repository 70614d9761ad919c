"""What is to be fetched: which files of which repository, into which folder. No I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

DEFAULT_REPO = "nvidia/personaplex-7b-v1"
DEFAULT_BRANCH = "main"
NAMES = (
    "config.json",
    "model.safetensors",
    "tokenizer-e351c8d8-checkpoint125.safetensors",
    "tokenizer_spm_32k_3.model",
    "voices.tgz",
)
"""What upstream reads with `--static none` (moshi/moshi/server.py and models/loaders.py at 3428dfd)."""
NEEDED = ("config.json", "model.safetensors")
"""Those without which no model is one; a fork may bring the others with its own server."""
DEFAULT_PATIENCE_S = 120.0
PATIENCE_VARIABLE = "PLEXCTL_HUB_PATIENCE_S"
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class Request:
    """What to fetch. `patience_s` is how long the Hub may give neither an answer nor a byte."""

    repo: str
    revision: str
    """A commit, a branch or a tag; the newest of the main branch when empty."""
    cache: Path
    patience_s: float

    @property
    def branch(self) -> str:
        """The name under which the cache keeps what the revision was resolved to."""
        return self.revision or DEFAULT_BRANCH


def request_in(environment: Mapping[str, str]) -> Request:
    """Return what an environment that the gateway has checked asks for."""
    return Request(
        repo=environment.get("PLEXCTL_MODEL_REPO", "").strip() or DEFAULT_REPO,
        revision=environment.get("PLEXCTL_MODEL_REVISION", "").strip(),
        cache=hub_cache(environment),
        patience_s=float(environment.get(PATIENCE_VARIABLE, "").strip() or DEFAULT_PATIENCE_S),
    )


def hub_cache(environment: Mapping[str, str]) -> Path:
    """Return the folder of models in the cache (variables of huggingface_hub's documentation)."""
    home = environment.get("HF_HOME") or Path(
        environment.get("XDG_CACHE_HOME") or Path(environment.get("HOME") or "~").expanduser() / ".cache", "huggingface"
    )
    return Path(environment.get("HF_HUB_CACHE") or Path(home, "hub")).expanduser()


def repo_folder(repo: str) -> str:
    """Return the name of a model's folder in the cache."""
    return f"models--{repo.replace('/', '--')}"


def is_commit(revision: str | None) -> bool:
    """Tell whether a revision is a whole commit, which never means anything else later."""
    return _COMMIT.fullmatch(revision or "") is not None

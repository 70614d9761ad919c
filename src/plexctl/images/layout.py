"""Where things lie in an image, and on a host that runs without one: the same paths in both."""

from __future__ import annotations

ROOT = "/opt/plexctl"
SOURCES = f"{ROOT}/src"
"""On the gateway's import path: the package `plexctl` with the gateway and the voice protocol in it."""
GATEWAY_PYTHON = f"{ROOT}/gateway/bin/python"
ENGINE_PYTHON = f"{ROOT}/engine/bin/python"
"""Python of upstream's own environment; not there in the echo profile."""
ENTRYPOINT = f"{ROOT}/entrypoint.sh"
CACHE = "/cache"
"""The one folder that is written to and worth keeping: a volume with the weights."""
HF_HOME = f"{CACHE}/huggingface"
PORT = 8998

"""Container images: what they are built for, the files that they are built from, and where things lie in them.

Pure: rendering only. `plexctl.images.engine` is the one that talks to Docker.
"""

from __future__ import annotations

from plexctl.images.context import context_files
from plexctl.images.layout import CACHE, ENGINE_PYTHON, ENTRYPOINT, GATEWAY_PYTHON, HF_HOME, PORT
from plexctl.images.offline import offline_files
from plexctl.images.profiles import PROFILES, Profile, profile_of

__all__ = [
    "CACHE",
    "ENGINE_PYTHON",
    "ENTRYPOINT",
    "GATEWAY_PYTHON",
    "HF_HOME",
    "PORT",
    "PROFILES",
    "Profile",
    "context_files",
    "offline_files",
    "profile_of",
]

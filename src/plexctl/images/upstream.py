"""NVIDIA's server, pinned: the commit that images and hosts install, and what its files must be."""

from __future__ import annotations

REPOSITORY = "https://github.com/NVIDIA/personaplex"
COMMIT = "3428dfd95309a7f3c84fd93259ded0f810d1ff91"
"""The newest of 2026-11; upstream has no tags."""
ARCHIVE = f"{REPOSITORY}/archive/{COMMIT}.tar.gz"
FOLDER = "moshi"
"""What of the archive is installed, as the distribution moshi-personaplex."""
SHA256 = "2fda4be5c026200399845933848f21e5bf25c2b19ef2ff97a235933f0686ff7f"
"""Of the folder's files, not of the archive, which GitHub may pack anew: that of the lines that `sha256sum` prints for
its 32 files in order of their paths. Computed from files whose git tree is the pinned commit's for that folder,
61dc628b1281275dc57a851f34d162a57c75d4d5.
"""

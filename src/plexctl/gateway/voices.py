"""The voices that callers may ask for: upstream's eighteen, and the files of a folder of one's own.

Upstream joins `voice_prompt` to a folder and gives the path to `torch.load` (pickle), so a name with a path in it
runs code: here a voice is a name on a list and nothing else. It reads the folder's names, never the files.
"""

from __future__ import annotations

from pathlib import Path

UPSTREAM_VOICES: tuple[str, ...] = tuple(
    f"{family}{number}.pt"
    for family, count in (("NATF", 4), ("NATM", 4), ("VARF", 5), ("VARM", 5))
    for number in range(count)
)
"""The eighteen names in voices.tgz of nvidia/personaplex-7b-v1."""
DEFAULT_VOICE = "NATF2.pt"
_SUFFIXES = frozenset({".pt", ".wav"})


def is_plain_name(name: str) -> bool:
    """Tell whether `name` is a file name without any path, hidden-file or control character in it."""
    return bool(name) and name.isprintable() and not name.startswith(".") and not set(name) & set("/\\")


def voices_in(folder: Path | None) -> tuple[str, ...]:
    """Return the allowed names: upstream's, or those of `folder` when one replaces upstream's voices."""
    if folder is None:
        return UPSTREAM_VOICES
    own = sorted(
        entry.name
        for entry in folder.iterdir()
        if entry.is_file() and entry.suffix in _SUFFIXES and is_plain_name(entry.name)
    )
    return tuple(dict.fromkeys((*UPSTREAM_VOICES, *own)))

"""Measurements that the user saved: `measurements.json` in plexctl's folder, a list of what `Measurement` holds."""

from __future__ import annotations

import dataclasses
import json
import os
from datetime import date
from pathlib import Path
from typing import Any

from plexctl.errors import ConfigurationError, UsageError
from plexctl.folders import make_private
from plexctl.gpus.speed import Measurement
from plexctl.gpus.table import find, matching

FILE = "measurements.json"
_KINDS: dict[str, tuple[type, ...]] = {
    "gpu": (str,),
    "ms_per_frame": (int, float),
    "source": (str,),
    "as_of": (str,),
    "ms_per_frame_p95": (int, float, type(None)),
    "engines_in_real_time": (int, type(None)),
    "bytes_read_per_frame": (int,),
    "compiled": (bool,),
}
_REQUIRED = ("gpu", "ms_per_frame", "source", "as_of")
_MAX_MS = 1e6


def saved_measurements(home: Path) -> tuple[Measurement, ...]:
    """Return what was saved in plexctl's folder, oldest first; nothing where nothing was.

    Raises ConfigurationError, with the entry, for a file that cannot be used.
    """
    path = home / FILE
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise ConfigurationError(
            f"cannot read {path}: {error.strerror}", hint="make it readable, or remove it"
        ) from None
    except (ValueError, RecursionError):
        raise _unusable(path, "it is no JSON") from None
    if not isinstance(rows, list):
        raise _unusable(path, "it is no list")
    return tuple(_measurement(path, number, row) for number, row in enumerate(rows, 1))


def save_measurement(home: Path, measurement: Measurement) -> Path:
    """Add a measurement to those saved and return the file; a reader sees the old file or the new one, whole.

    Raises UsageError for a GPU that is not known, or of which there are several variants, ConfigurationError where it
    cannot be written.
    """
    path = home / FILE
    if len(matching(measurement.gpu)) > 1:
        variants = ", ".join(gpu.name for gpu in matching(measurement.gpu))
        raise UsageError(f"{measurement.gpu} may be any of {variants}", hint="name the one that was measured")
    measurement = dataclasses.replace(measurement, gpu=find(measurement.gpu).name)
    _measurement(path, 1, dataclasses.asdict(measurement))
    rows = [dataclasses.asdict(one) for one in (*saved_measurements(home), measurement)]
    scratch = path.with_name(f".{FILE}.{os.getpid()}")
    try:
        make_private(home)
        scratch.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
        scratch.replace(path)
    except OSError as error:
        raise ConfigurationError(f"cannot write {path}: {error.strerror}", hint="make room for it") from None
    finally:
        scratch.unlink(missing_ok=True)
    return path


def _measurement(path: Path, number: int, row: Any) -> Measurement:
    if not isinstance(row, dict) or not set(_REQUIRED) <= set(row) <= set(_KINDS):
        raise _unusable(
            path, f"entry {number} needs {', '.join(_REQUIRED)}, and may have no others than plexctl writes"
        )
    for key, value in row.items():
        is_number_as_bool = isinstance(value, bool) and bool not in _KINDS[key]
        if not isinstance(value, _KINDS[key]) or is_number_as_bool:
            raise _unusable(path, f"entry {number}: {key} is {str(value)[:40]!r}")
    times = [row["ms_per_frame"], row.get("ms_per_frame_p95")]
    if not all(one is None or 0 < one <= _MAX_MS for one in times):
        raise _unusable(path, f"entry {number}: milliseconds must be above 0")
    if (row.get("engines_in_real_time") or 0) < 0 or row.get("bytes_read_per_frame", 1) <= 0:
        raise _unusable(path, f"entry {number}: a count is below 0")
    try:
        date.fromisoformat(row["as_of"])
    except ValueError:
        raise _unusable(path, f"entry {number}: as_of is no date such as 2026-11-20") from None
    return Measurement(**row)


def _unusable(path: Path, words: str) -> ConfigurationError:
    return ConfigurationError(f"{path} cannot be used: {words}", hint="mend it, or remove it")

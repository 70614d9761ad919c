"""Where the catalog lives: a snapshot in the package, and what `catalog refresh` wrote in plexctl's folder.

For each provider the newer of the two is used, so that an upgraded plexctl is not held back by an old refresh.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, date, datetime
from importlib.resources import files
from pathlib import Path

import msgspec

from plexctl.catalog.rows import CATALOG, Catalog, Row
from plexctl.errors import ConfigurationError
from plexctl.folders import make_private

FILE = "catalog.json"
TODAY_VARIABLE = "SOURCE_DATE_EPOCH"
"""Where it is set, ages are counted from that moment, so that the same input gives the same bytes on any day."""


def today(environ: Mapping[str, str], now: float) -> date:
    """Return the day from which ages are counted. Raises ConfigurationError for a variable that is no moment."""
    chosen = environ.get(TODAY_VARIABLE)
    try:
        return datetime.fromtimestamp(float(chosen) if chosen else now, UTC).date()
    except (ValueError, OverflowError, OSError):
        words = f"{TODAY_VARIABLE} is no moment in seconds since 1970"
        raise ConfigurationError(words, hint="unset it") from None


def snapshot() -> Catalog:
    """Return the catalog that came with this plexctl."""
    return CATALOG.decode(files("plexctl.catalog").joinpath("snapshot.json").read_bytes())


def load(home: Path) -> Catalog:
    """Return the snapshot with what was refreshed laid over it. Raises ConfigurationError for a damaged file."""
    shipped = snapshot()
    renewed = _read(home / FILE)
    if renewed is None:
        return shipped
    providers = dict.fromkeys(row.provider for row in (*shipped.rows, *renewed.rows))
    rows = [row for name in providers for row in _newer(renewed.rows_of(name), shipped.rows_of(name))]
    return Catalog(
        as_of=max(shipped.as_of, renewed.as_of),
        rates=shipped.rates | renewed.rates,
        rows=tuple(rows),
        failures=renewed.failures,
    )


def renewed_rows(home: Path) -> tuple[Row, ...]:
    """Return what earlier refreshes brought; nothing when the file is missing or damaged, since it is written anew."""
    try:
        renewed = _read(home / FILE)
    except ConfigurationError:
        return ()
    return renewed.rows if renewed else ()


def save(home: Path, catalog: Catalog) -> Path:
    """Write the file whole or not at all, readable by its owner alone. Raises ConfigurationError."""
    path = home / FILE
    content = msgspec.json.format(msgspec.json.encode(catalog), indent=1) + b"\n"
    temporary = None
    try:
        make_private(home)
        descriptor, temporary = tempfile.mkstemp(dir=home, prefix=f".{FILE}.")
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).replace(path)
    except OSError as error:
        if temporary is not None:
            with suppress(OSError):
                Path(temporary).unlink()
        words = f"cannot write {path}: {error.strerror}"
        raise ConfigurationError(words, hint="name another folder with PLEXCTL_HOME") from None
    return path


def _read(path: Path) -> Catalog | None:
    try:
        return CATALOG.decode(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from None
    except (msgspec.DecodeError, RecursionError):  # a ValidationError is one
        raise ConfigurationError(f"{path} is damaged", hint="`plexctl catalog refresh` writes it anew") from None


def _newer(renewed: tuple[Row, ...], shipped: tuple[Row, ...]) -> tuple[Row, ...]:
    def newest(rows: tuple[Row, ...]) -> str:
        return max((row.as_of for row in rows), default="")

    return renewed if renewed and newest(renewed) >= newest(shipped) else shipped

"""paramiko and cryptography, imported when a connection is made; paramiko's own log is kept silent.

It would print host keys, user names and tracebacks beside plexctl's own words.
"""

from __future__ import annotations

import logging
from importlib import import_module
from typing import Any

from plexctl.errors import ExtraMissingError


def load(module: str) -> Any:
    """Import a module of the extra. Raises ExtraMissingError."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        words = f"ssh needs the package {error.name}, which is not installed"
        raise ExtraMissingError(words, hint="pip install 'plexctl[ssh]'") from error


def load_paramiko() -> Any:
    """Import paramiko, and silence its logger for good. Raises ExtraMissingError."""
    logger = logging.getLogger("paramiko")
    logger.setLevel(logging.CRITICAL + 1)
    logger.propagate = False
    return load("paramiko")


def foreign_errors() -> tuple[type[Exception], ...]:
    """Return all that paramiko raises of a connection: its own two trees, and what comes from its socket."""
    paramiko = load_paramiko()
    return (paramiko.SSHException, paramiko.SFTPError, OSError, EOFError)

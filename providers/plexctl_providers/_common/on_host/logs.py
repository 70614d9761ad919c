"""The log of a deployment on a host: the unit's journal, or its file where there is no systemd."""

from __future__ import annotations

from collections.abc import Iterator

from plexctl.model import LogLine
from plexctl_providers._common.on_host.machine import Machine


def log_lines(
    machine: Machine, label: str, *, follow: bool, since: float | None, tail: int | None
) -> Iterator[LogLine]:
    """Yield log lines, oldest first; before there is a gateway, those of the bootstrap.

    With `follow`, go on until the deployment ends; a connection that breaks is made anew, and no line is lost or
    doubled. Nothing where the host does not carry the deployment `label`.
    """
    raise NotImplementedError

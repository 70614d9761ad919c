"""Fixtures for tests of hosts; containers stand in for fresh machines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.containers.fixtures import podman, podman_store, test_images
from tests.containers.rig import Podman
from tests.hosts.cases import CASES
from tests.hosts.machine import Machine, machine_in
from tests.machines import images

__all__ = ["podman", "podman_store", "test_images"]


@pytest.fixture(scope="session")
def machine_image(test_images: list[str]) -> str:
    """Return an image of a fresh host that can install everything without a network."""
    assert test_images
    return images.bare_image()


@pytest.fixture(scope="session")
def systemd_image(test_images: list[str]) -> str:
    """Return an image of a fresh host with systemd and Docker."""
    assert test_images
    return images.systemd_image()


@pytest.fixture
def machine(podman: Podman, machine_image: str, tmp_path: Path) -> Iterator[Machine]:
    """Give a fresh host with the bundle of the echo engine, and nothing else of plexctl."""
    with machine_in(podman, machine_image, CASES["ssh-echo"].files(), tmp_path / "bundle") as one:
        yield one


@pytest.fixture
def public_machine(podman: Podman, machine_image: str, tmp_path: Path) -> Iterator[Machine]:
    """Give a fresh host with a bundle that serves TLS under its bare address."""
    with machine_in(podman, machine_image, CASES["ssh-ip"].files(), tmp_path / "bundle") as one:
        yield one


@pytest.fixture
def podman_twice(podman: Podman, machine_image: str, tmp_path: Path) -> Iterator[tuple[Machine, Machine]]:
    """Give two fresh hosts with the same bundle."""
    files = CASES["ssh-echo"].files()
    with (
        machine_in(podman, machine_image, files, tmp_path / "one" / "bundle") as one,
        machine_in(podman, machine_image, files, tmp_path / "two" / "bundle") as two,
    ):
        yield one, two

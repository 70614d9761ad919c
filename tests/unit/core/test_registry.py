"""Providers are found without being imported, and other people's come through their package's entry point."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from plexctl.errors import ConfigurationError, ExtraMissingError
from plexctl.registry import BUILT_IN, names, provider_class
from plexctl.spec import PROVIDERS
from plexctl_providers.local.adapter import LocalProvider

Install = Callable[[str, str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install a package with one entry point, as pip would: a module and a dist-info folder on the path."""
    monkeypatch.syspath_prepend(tmp_path)

    def one(entry: str, module: str) -> None:
        info = tmp_path / "plexctl_acme-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plexctl-acme\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[plexctl.providers]\n{entry}\n")
        (tmp_path / "plexctl_acme.py").write_text(module)
        monkeypatch.delitem(sys.modules, "plexctl_acme", raising=False)

    return one


def test_built_in_ones_are_spelled_as_on_the_command_line() -> None:
    """The lazy table's names are among the documented ones, and each target is module:Class."""
    assert tuple(BUILT_IN) == PROVIDERS
    assert all(target.count(":") == 1 for target in BUILT_IN.values())


def test_every_built_in_one_can_be_imported_and_bears_its_name() -> None:
    """A typo in the table would be found by users only."""
    assert {name: provider_class(name).name for name in BUILT_IN} == {name: name for name in BUILT_IN}


def test_another_package_adds_a_provider(install: Install) -> None:
    """An installed package's entry point is a provider like any other."""
    install("acme = plexctl_acme:Acme", "class Acme:\n    name = 'acme'\n")
    assert names() == [*BUILT_IN, "acme"]
    assert provider_class("acme").name == "acme"


def test_another_package_cannot_shadow_a_built_in_one(install: Install) -> None:
    """`local` is ours, whoever else claims it."""
    install("local = plexctl_acme:Acme", "class Acme:\n    name = 'local'\n")
    assert names() == list(BUILT_IN)
    assert provider_class("local") is LocalProvider


@pytest.mark.parametrize(("name", "near"), [("locla", "; did you mean 'local'?"), ("zzz", ""), ("", "")])
def test_an_unknown_name_is_told_with_the_nearest_and_all_known(name: str, near: str) -> None:
    """Exit 3, and the list of what there is."""
    with pytest.raises(ConfigurationError) as caught:
        provider_class(name)
    assert caught.value.message == f"unknown provider {name!r}{near}"
    assert "local" in (caught.value.hint or "")


def test_a_missing_package_is_an_extra_that_is_missing(install: Install) -> None:
    """The adapter is there, what it needs is not: exit 12, with the command that installs it."""
    install("acme = plexctl_acme:Acme", "import a_package_that_nobody_has\n")
    with pytest.raises(ExtraMissingError, match="a_package_that_nobody_has") as caught:
        provider_class("acme")
    assert caught.value.hint == "pip install 'plexctl[acme]'"


def test_nothing_is_imported_to_know_the_names(install: Install) -> None:
    """A broken plugin does not break the others."""
    install("acme = plexctl_acme:Acme", "raise SystemError('broken')\n")
    assert "acme" in names()
    assert provider_class("local") is LocalProvider

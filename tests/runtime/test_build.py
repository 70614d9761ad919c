"""`image build` on a real engine: once for the same sources, anew for others, its progress and its names."""

from __future__ import annotations

import pytest
from tests.runtime.rig import Here

from plexctl import __version__
from plexctl.spec import Spec

pytestmark = pytest.mark.real

BUILD = ("image", "build", "--engine", "echo", "--json")


def own_dockerfile(here: Here, text: str) -> None:
    """Put a Dockerfile in the place of plexctl's."""
    folder = here.plexctl.work / Spec().templates.folder / "container"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "Dockerfile.j2").write_text(text)


def test_the_same_sources_are_built_once(here: Here) -> None:
    """The second build says unchanged and gives the same image; other sources, and --no-cache, are built."""
    own_dockerfile(here, "FROM scratch\nCOPY entrypoint.sh /one\n")
    first, second = here.run(*BUILD), here.run(*BUILD)
    assert (first.rc, second.rc) == (0, 0), first.document
    assert "building: 2/" in first.stderr
    assert (first.data["changed"], second.data["changed"]) == (True, False)
    assert "unchanged: Podman" in second.stderr
    assert second.data["id"] == first.data["id"]
    assert "building: 2/" in here.run(*BUILD, "--no-cache").stderr
    own_dockerfile(here, "FROM scratch\nCOPY entrypoint.sh /two\n")
    other = here.run(*BUILD)
    assert other.data["context"] != first.data["context"]
    assert other.data["id"] != first.data["id"]


def test_the_image_is_labelled_named_and_recorded(here: Here) -> None:
    """What the document says is what the engine says; the journal has it without a digest."""
    own_dockerfile(here, "FROM scratch\nCOPY entrypoint.sh /\n")
    built = here.run(*BUILD, "--tag", "mine", "--repository", "registry.invalid/you/voice").data
    for name in ("docker.io/plexctl/personaplex:mine", "registry.invalid/you/voice:mine"):
        found = here.podman.inspect(name)
        assert f"sha256:{found['Id']}" == built["id"]
        assert found["Labels"]["plexctl.context"] == built["context"]
        assert found["Labels"]["plexctl.profile"] == "echo"
        assert found["Labels"]["managed-by"] == "plexctl"
    assert (built["digest"], built["pushed"]) == (None, False)
    (listed,) = here.run("image", "list").data["images"]
    assert listed == {key: built[key] for key in listed}


def test_the_base_is_an_argument_of_the_build(here: Here, base_image: str) -> None:
    """`--base` reaches the Dockerfile, and another base is another image."""
    own_dockerfile(here, "ARG BASE_IMAGE=registry.invalid/none\nFROM ${BASE_IMAGE}\nCOPY entrypoint.sh /\n")
    built = here.run(*BUILD, "--base", base_image)
    assert built.rc == 0, built.document
    assert here.podman.inspect(built.data["id"])["Config"]["Labels"]["plexctl.context"] == built.data["context"]


def test_a_deploy_builds_what_is_missing_and_takes_what_is_there(here: Here, base_image: str) -> None:
    """Without an image named, the deploy runs that of the profile's own sources, and says so."""
    argv = [word for word in here.argv if word not in ("--image", here.image)]
    env = {"PLEXCTL_BASE_IMAGE": base_image}
    deployed = here.run(*argv, "--no-probe", env=env)
    assert deployed.rc == 0, deployed.document
    (name,) = {one["tag"] for one in here.run("image", "list").data["images"]}
    assert name == f"plexctl/personaplex:echo-{__version__}"
    assert f"sha256:{here.inspect()['Image']}" == here.run("image", "list").data["images"][0]["id"]
    assert "podman" in deployed.stderr.lower()

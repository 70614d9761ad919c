"""Push and pull over a registry on the loopback that holds to the distribution specification."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.cli.process import Plexctl
from tests.clouds.registry.server import CUT, Fault, Registry, registry_on_loopback
from tests.containers.rig import Podman, podman_in_own_store
from tests.runtime.rig import Here, spare_port, until

from plexctl import __version__
from plexctl.spec import Spec

pytestmark = pytest.mark.real

LOGIN = ("you", "canary-password-51")
TINY = "FROM scratch\nCOPY entrypoint.sh /\n"
TAG = f"echo-{__version__}"


@pytest.fixture
def registry() -> Iterator[Registry]:
    """Give an empty registry on a port of its own."""
    with registry_on_loopback(Registry(address=f"127.0.0.1:{spare_port()}")) as one:
        yield one


@contextmanager
def engine_for(podman: Podman, registry: Registry) -> Iterator[str]:
    """Serve an engine that takes the registry without TLS, as Docker does on the loopback; give its DOCKER_HOST."""
    conf, path = podman.folder / "registries.conf", podman.folder / "registry.sock"
    conf.write_text(f'[[registry]]\nlocation = "{registry.address}"\ninsecure = true\n')
    own = {"CONTAINERS_REGISTRIES_CONF": str(conf), "REGISTRY_AUTH_FILE": str(podman.folder / "none.json")}
    argv = ["podman", "system", "service", "--time=0", f"unix://{path}"]
    with subprocess.Popen(argv, env={**os.environ, **podman.environment, **own}, stderr=subprocess.DEVNULL) as process:
        try:
            until(path.exists, "the engine's socket")
            yield f"unix://{path}"
        finally:
            process.terminate()
            process.wait(30)


@pytest.fixture
def engine(podman: Podman, registry: Registry) -> Iterator[str]:
    """Give the engine on the session's store."""
    with engine_for(podman, registry) as address:
        yield address


def repository(registry: Registry) -> str:
    """Return where to push."""
    return f"{registry.address}/you/voice"


def tiny(plexctl: Plexctl) -> None:
    """Make what is built a file on nothing."""
    folder = plexctl.work / Spec().templates.folder / "container"
    folder.mkdir(parents=True)
    (folder / "Dockerfile.j2").write_text(TINY)


def log_in(plexctl: Plexctl, registry: Registry, password: str) -> None:
    """Write what `docker login` writes."""
    auth = base64.b64encode(f"{LOGIN[0]}:{password}".encode()).decode()
    folder = plexctl.root / ".docker"
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"auths": {registry.address: {"auth": auth}}}))


def push(registry: Registry) -> list[str]:
    """Return the command that builds and pushes."""
    return ["image", "build", "--engine", "echo", "--push", "--repository", repository(registry), "--json"]


def test_a_deploy_uses_what_was_pushed_by_its_digest(
    here: Here, engine: str, base_image: str, registry: Registry
) -> None:
    """Built here and pushed; on another engine, which has nothing, pulled by the digest alone, and it talks."""
    registry.login = LOGIN
    log_in(here.plexctl, registry, LOGIN[1])
    pushed = here.run(*push(registry), "--base", base_image, env=here.env(engine))
    assert pushed.rc == 0, pushed.document
    assert pushed.data["digest"] == registry.digest_of("you/voice", TAG)
    assert pushed.data["image"] == f"{repository(registry)}@{pushed.data['digest']}"
    assert here.recorded("SELECT digest FROM images WHERE pushed_at IS NOT NULL") == [(pushed.data["digest"],)]
    assert f"push {repository(registry)}:{TAG}: " in pushed.stderr
    shown = pushed.stdout + pushed.stderr
    assert LOGIN[1] not in shown
    with podman_in_own_store() as elsewhere, engine_for(elsewhere, registry) as address:
        argv = [pushed.data["image"] if word == here.image else word for word in here.argv]
        deployed = here.run(*argv, env=here.env(address))
        assert deployed.rc == 0, deployed.document
        assert deployed.data["probe"]["verdict"] == "talking"
        assert elsewhere.inspect(pushed.data["image"])["Id"] == pushed.data["id"].removeprefix("sha256:")
        assert here.run("destroy", "voice", "--yes", env=here.env(address)).rc == 0
        assert elsewhere.held()["containers"] == []


def test_pushing_again_changes_nothing_at_the_registry(here: Here, engine: str, registry: Registry) -> None:
    """The image is not built again, the digest is the same, and the list shows it once."""
    tiny(here.plexctl)
    first, second = (here.run(*push(registry), env=here.env(engine)) for _ in range(2))
    assert (first.rc, second.rc) == (0, 0), second.document
    assert second.data["id"] == first.data["id"]
    assert second.data["digest"] == first.data["digest"] == registry.digest_of("you/voice", TAG)
    assert "unchanged: Podman" in second.stderr
    (listed,) = here.run("image", "list").data["images"]
    assert listed["image"] == first.data["image"]


@pytest.mark.parametrize("password", [None, "wrong"])
def test_without_the_right_login_a_push_is_refused(
    here: Here, engine: str, registry: Registry, password: str | None
) -> None:
    """Exit code 4 with what to do, and nothing is recorded as pushed."""
    registry.login = LOGIN
    if password is not None:
        log_in(here.plexctl, registry, password)
    tiny(here.plexctl)
    refused = here.run(*push(registry), env=here.env(engine))
    assert refused.rc == 4, refused.document
    assert "docker login" in refused.document["error"]["hint"]
    assert here.recorded("SELECT digest, pushed_at FROM images") == [(None, None)]
    assert registry.manifests == {}


@pytest.mark.parametrize("kind", [500, CUT])
def test_a_registry_that_fails_is_said_and_nothing_is_recorded(
    here: Here, engine: str, registry: Registry, kind: int | str
) -> None:
    """Exit code 8; the push after it succeeds."""
    tiny(here.plexctl)
    registry.faults = [Fault(r"PUT .*/manifests/", kind)]
    failed = here.run(*push(registry), env=here.env(engine))
    assert failed.rc == 8, failed.document
    assert f"cannot push {repository(registry)}" in failed.document["error"]["message"]
    assert here.recorded("SELECT digest FROM images") == [(None,)]
    registry.faults = []
    assert here.run(*push(registry), env=here.env(engine)).data["digest"] == registry.digest_of("you/voice", TAG)


@pytest.mark.parametrize(("login", "exit_code"), [(None, 10), (LOGIN, 4)])
def test_an_image_that_is_not_given_is_not_found_or_refused(
    here: Here, engine: str, registry: Registry, login: tuple[str, str] | None, exit_code: int
) -> None:
    """10 when the registry has no such image, 4 when it wants a login first; nothing is made."""
    registry.login = login
    argv = [f"{repository(registry)}:none" if word == here.image else word for word in here.argv]
    refused = here.run(*argv, env=here.env(engine))
    assert refused.rc == exit_code, refused.document
    assert repository(registry) in refused.document["error"]["message"]
    here.is_clean()

"""What is deployed: the rendered app, with nothing of this machine, and code that runs where nothing of ours is."""

from __future__ import annotations

import base64
import io
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from modal_proto import api_pb2
from tests.modal.ground import HUB_TOKEN, L40S, TOKEN, Ground, spec_of

from plexctl.images import CACHE, ENTRYPOINT, PROFILES, context_files
from plexctl.model import Plan
from plexctl.spec import Spec
from plexctl_providers.modal.files import build_files, deployed_files
from plexctl_providers.modal.inlining import inlined
from plexctl_providers.modal.requests import build_plan

_LONGEST_ARGUMENT = 128 * 1024
"""Bytes of one argument of a program (Linux, MAX_ARG_STRLEN)."""
UNPICKLE = """
import sys
from modal._serialization import deserialize
cls = deserialize(sys.stdin.buffer.read(), None)
print(cls.__name__, sorted(name for name in vars(cls) if not name.startswith("__")))
"""


def files_from(dockerfile: str) -> dict[str, str]:
    """Return what the RUN commands of a Dockerfile write: path to text."""
    found: dict[str, str] = {}
    begun = ""
    for line in dockerfile.splitlines():
        piece = re.search(r"printf %s (\S+?)(;| >>)", line)
        if piece is None:
            continue
        begun += piece[1]
        if piece[2] == ";":
            target = line.partition("-C ")[2].split()[0]
            with tarfile.open(fileobj=io.BytesIO(base64.b64decode(begun)), mode="r:gz") as archive:
                for member in archive.getmembers():
                    content = archive.extractfile(member)
                    assert content is not None
                    found[f"{target.rstrip('/')}/{member.name}"] = content.read().decode()
            begun = ""
    return found


@pytest.mark.parametrize("profile", PROFILES)
def test_a_dockerfile_without_files_writes_what_it_copied(profile: str) -> None:
    """Every file of the context is written where its COPY put it; no COPY from here is left; each RUN fits a shell."""
    context = context_files(Spec(), PROFILES[profile])
    text = inlined(context)
    written = files_from(text)
    for line in context["Dockerfile"].splitlines():
        found = re.fullmatch(r"COPY ((?!--).+) (\S+)", line)
        for source in found[1].split() if found else []:
            below = [path for path in context if path == source or (source.endswith("/") and path.startswith(source))]
            assert below
            for path in below:
                name = path.removeprefix(source) if source.endswith("/") else path
                assert written[f"{found[2].rstrip('/')}/{name}"] == context[path]  # type: ignore[index]
    assert not re.search(r"^COPY (?!--from)", text, re.MULTILINE)
    assert all(len(line) < _LONGEST_ARGUMENT for line in text.splitlines())
    assert inlined(context) == text


def test_the_images_environments_keep_their_python(tmp_path: Path) -> None:
    """Modal puts its Python where the image's was: environments are told by name which one made them, `python` goes."""
    made, added = tmp_path / "usr/local/bin", tmp_path / "opt/plexctl"
    text = build_files(spec_of(), _plan())["image/Dockerfile"]
    command = text.partition("RUN for home in ")[2].partition("\nENTRYPOINT")[0].replace("\\\n", "")
    made.mkdir(parents=True)
    for name in ("python3.12", "python"):
        (made / name).touch()
    for name in ("engine", "gateway"):
        (added / name / "bin").mkdir(parents=True)
        (added / name / "pyvenv.cfg").write_text(f"home = {made}\nexecutable = {made}/python3.12\n")
        (added / name / "bin/python3").symlink_to(made / "python3")
        (added / name / "bin/python").symlink_to("python3")
    script = f"for home in {command}".replace("/opt/plexctl", str(added)).replace("/usr/local/bin", str(made))
    subprocess.run(["sh", "-euc", script], check=True)
    for name in ("engine", "gateway"):
        assert (added / name / "bin/python").resolve() == made / "python3.12"
        assert (added / name / "bin/python3").resolve() == made / "python3.12"
    assert not (made / "python").exists()


def test_torch_does_not_wait_for_our_sources() -> None:
    """The gateway's sources come after torch, so that a new gateway does not fetch gigabytes again."""
    context = context_files(Spec(), PROFILES["cu121"])
    changed = context | {"plexctl/__init__.py": context["plexctl/__init__.py"] + "# new\n"}
    first, second = inlined(context).splitlines(), inlined(changed).splitlines()
    same = next(number for number, (one, other) in enumerate(zip(first, second, strict=True)) if one != other)
    assert any("torch-requirements.txt" in line for line in first[:same])


def test_a_large_file_takes_several_commands() -> None:
    """What is too long for one argument of a shell is put together from pieces."""
    noise = base64.b64encode(bytes((7 * n * n + 13 * n) % 251 for n in range(400_000))).decode()
    context = {"Dockerfile": "FROM scratch\nCOPY big.txt /opt/\n", "big.txt": noise[:300_000]}
    text = inlined(context)
    assert files_from(text) == {"/opt/big.txt": noise[:300_000]}
    assert all(len(line) < _LONGEST_ARGUMENT for line in text.splitlines())


def test_what_is_rendered_is_what_is_deployed() -> None:
    """Both are one template's: they differ in the id, which is filled in, the plan's hash, and the clock."""
    ground_plan = _plan()
    deployed, digest = deployed_files(ground_plan, "abc234", "1900000000")
    rendered = build_files(spec_of(), ground_plan)["modal_app.py"].splitlines()
    differing = set(deployed["modal_app.py"].splitlines()) ^ set(rendered)
    assert differing == {
        'PLEXCTL_ID = os.environ.get("PLEXCTL_ID", "byhand")',
        'PLEXCTL_ID = "abc234"',
        f'    "plexctl-plan": "{digest}",',
    }


def test_the_hash_is_of_everything_but_the_expiry() -> None:
    """Another moment is no change; another prompt, image or id is one."""
    spec = spec_of(limits={"ttl_s": 3600})
    plan = _plan(spec)
    digest = deployed_files(plan, "abc234", "1")[1]
    assert deployed_files(plan, "abc234", "2")[1] == digest
    assert deployed_files(plan, "abc235", "1")[1] != digest
    prompted = _plan(spec_of(limits={"ttl_s": 3600}, gateway={"text_prompt": "You are a pirate."}))
    assert deployed_files(prompted, "abc234", "1")[1] != digest
    rebased = _plan(spec_of(limits={"ttl_s": 3600}, image={"base": "localhost/python:3.12"}))
    assert deployed_files(rebased, "abc234", "1")[1] != digest


def test_the_clock_of_a_deployment_is_set_when_it_is_deployed(ground: Ground) -> None:
    """The expiry is now and the time to live, whatever the plan says; a second apply does not set it again."""
    ground.now = lambda: 1_900_000_000.0
    spec = spec_of("echo", limits={"ttl_s": 3600})
    entry, first = ground.deploy(spec)
    assert _settings(ground, entry.ref.label)["PLEXCTL_EXPIRES_AT"] == "1900003600"
    ground.now = lambda: 1_900_000_100.0
    assert not ground.deploy(spec, entry)[1].changed
    assert first.changed
    assert _settings(ground, entry.ref.label)["PLEXCTL_EXPIRES_AT"] == "1900003600"


def test_the_definition_is_the_plans(ground: Ground) -> None:
    """GPU, times, scaling, concurrency, volume and web server, as Modal gets them; Python is this one's minor."""
    entry, _ = ground.deploy(spec_of())
    one = ground.definition(entry.ref)
    assert one.resources.gpu_config.gpu_type == "L40S"
    assert (one.timeout_secs, one.startup_timeout_secs) == (3900, 900)
    assert (one.autoscaler_settings.min_containers, one.autoscaler_settings.max_containers) == (0, 1)
    assert (one.max_concurrent_inputs, one.target_concurrent_inputs) == (10, 1)
    assert [mount.mount_path for mount in one.volume_mounts] == [CACHE]
    assert one.definition_type == api_pb2.Function.DEFINITION_TYPE_SERIALIZED
    minor = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert any(f".{minor}." in one.deployment_name for one in ground.cloud.calls_of("MountGetOrCreate"))


def test_nothing_of_this_machine_is_uploaded(ground: Ground) -> None:
    """No file is put, and no secret is sent but to the secrets' store."""
    ground.deploy(spec_of())
    assert not ground.cloud.calls_of("MountPutFile")
    for call in ground.cloud.requests:
        sent = call.request.SerializeToString()
        if call.method not in ("SecretGetOrCreate", "SecretUpdate"):
            assert TOKEN.encode() not in sent
            assert HUB_TOKEN.encode() not in sent
    assert not any(request.commit_info.commit_hash for request in ground.cloud.calls_of("AppPublish"))


def test_the_class_needs_nothing_of_ours(ground: Ground, tmp_path: Path) -> None:
    """What travels can be unpickled where neither plexctl nor the rendered file is, and starts the image's gateway."""
    entry, _ = ground.deploy(spec_of())
    sent = ground.definition(entry.ref).class_serialized
    done = subprocess.run(
        [sys.executable, "-I", "-c", UNPICKLE], input=sent, cwd=tmp_path, capture_output=True, check=False, env={}
    )
    assert done.returncode == 0, done.stderr.decode()
    assert "PersonaPlex" in done.stdout.decode()
    assert "'stop', 'web'" in done.stdout.decode()
    assert ENTRYPOINT.encode() in sent


def _plan(spec: Spec | None = None) -> Plan:
    return build_plan(spec or spec_of(), L40S)


def _settings(ground: Ground, label: str) -> dict[str, str]:
    app = ground.cloud.deployed(label, "main")
    assert app is not None
    definition = ground.cloud.functions[app.functions["PersonaPlex.*"]].definition
    found = [ground.cloud.secrets[one] for one in definition.secret_ids]
    return {key: value for one in found if not one.name for key, value in one.values.items()}

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest
import yaml  # type: ignore[import-untyped,unused-ignore]
from tests.hosts.cases import CASES, FILLED, HOSTS, MACHINES

from plexctl_providers._common.files import resource
from plexctl_providers._common.placeholders import fill, names_in

ROOT = Path(__file__).parents[2]
CLOUD_INIT_KEYS = {
    *("ssh_deletekeys", "ssh_keys", "ssh_authorized_keys", "ssh_pwauth", "disable_root"),
    *("write_files", "package_update", "packages", "runcmd"),
}
"""What of cloud-init's modules is used (its documentation); a misspelt key does nothing there, without a word."""
CANARIES = {
    name: f"canary-{name.lower()}"
    for name in (
        *("HF_TOKEN", "PLEXCTL_TOKEN", "LAMBDA_API_KEY", "OVH_APPLICATION_KEY", "OVH_APPLICATION_SECRET"),
        *("OVH_CONSUMER_KEY", "OVH_CLIENT_ID", "OVH_CLIENT_SECRET", "RUNPOD_API_KEY", "VAST_API_KEY"),
        *("MODAL_TOKEN_ID", "MODAL_TOKEN_SECRET", "EXTRA"),
    )
}
RENDER_ALL = """
import json, os
from tests.hosts.cases import CASES
print(json.dumps({name: case.files() for name, case in CASES.items()}))
"""


def below(files: Mapping[str, str]) -> dict[str, str]:
    """Return the files of the bundle, paths as they are on the host."""
    return {path.removeprefix("host/"): text for path, text in files.items()}


@pytest.fixture(scope="module")
def rendered() -> dict[str, dict[str, str]]:
    """Return every file of every case, made by another process in whose environment are tokens and keys."""
    environment = CANARIES | {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", RENDER_ALL], env=environment, capture_output=True, text=True, check=True, cwd=ROOT
    )
    found: dict[str, dict[str, str]] = json.loads(done.stdout)
    return found


def test_files_are_the_same_in_every_process_and_hold_no_secret(rendered: dict[str, dict[str, str]]) -> None:
    """Rendered elsewhere, with tokens and keys all around, they are the same to the byte, and no token is in one."""
    assert rendered == {name: case.files() for name, case in CASES.items()}
    whole = json.dumps(rendered)
    assert [value for value in CANARIES.values() if value in whole] == []


@pytest.mark.parametrize("case", CASES)
def test_nothing_of_a_template_is_left(case: str) -> None:
    """No file has an unfilled expression or statement, and every one ends with a line end."""
    for path, text in CASES[case].files().items():
        if "image/plexctl/" not in path:
            assert not re.search(r"\{\{|\}\}|\{%|%\}", text), path
            assert text.endswith("\n"), path


@pytest.mark.parametrize("case", CASES)
def test_every_placeholder_is_known(case: str) -> None:
    """What is left to fill in is told by its name, and has a meaning; scripts have nothing to fill in."""
    files = below(CASES[case].files())
    assert {name for path in files if not path.startswith("image/") for name in names_in(files[path])} <= set(FILLED)
    assert [path for path in files if path.endswith(".sh") and names_in(files[path])] == []


@pytest.mark.parametrize("case", MACHINES)
def test_files_are_the_plans_own_bodies(case: str) -> None:
    """Each request is a file, and the user data in it is cloud-init.yaml: what is read is what is sent."""
    plan, files = CASES[case].plan(), CASES[case].files()
    asked = [one for one in plan.resources if "method" in one.body]
    numbered = {f"requests/{number}-{one.kind}.json": one.body for number, one in enumerate(asked, 1)}
    assert {path: json.loads(text) for path, text in files.items() if path.startswith("requests/")} == numbered
    body = cast("Any", resource(plan, "instance").body)["json"]
    assert files["cloud-init.yaml"] == body.get("user_data", body.get("userData"))


@pytest.mark.parametrize("case", HOSTS)
def test_the_bundle_is_the_plans_own(case: str) -> None:
    """Small files stand in the plan word for word; the script begins with the settings of the plan."""
    body = cast("Any", resource(CASES[case].plan(), "host-files").body)
    files = below(CASES[case].files())
    assert {path: files[path] for path in body["files"]} == body["files"]
    told = subprocess.run(
        ["bash", "-c", f"{header_of(files['bootstrap.sh'])}\ndeclare -r"], capture_output=True, text=True, check=True
    )
    read = re.finditer(r'^declare -r (\w+)=(".*")$', told.stdout, re.MULTILINE)
    values = {match[1]: json.loads(match[2]) for match in read}
    assert {name: values[name] for name in body["bootstrap"]} == body["bootstrap"]


def header_of(script: str) -> str:
    """Return the lines of the script that set its settings."""
    return "\n".join(re.findall(r"^readonly [A-Z_0-9]+=.*$", script.partition("readonly STATE=")[0], re.MULTILINE))


@pytest.mark.parametrize("case", HOSTS)
def test_shellcheck_finds_nothing(case: str, tmp_path: Path) -> None:
    """The script of every variant is clean, and short enough in its lines to be read."""
    script = tmp_path / "bootstrap.sh"
    script.write_text(below(CASES[case].files())["bootstrap.sh"], encoding="utf-8")
    tool = Path(sys.executable).with_name("shellcheck")
    done = subprocess.run([tool, script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    long = [line for line in script.read_text(encoding="utf-8").splitlines() if len(line) > 120]
    assert [line for line in long if not line.startswith("readonly ")] == []


@pytest.mark.parametrize("case", MACHINES)
@pytest.mark.parametrize("is_filled", [False, True])
def test_cloud_init_pins_the_host_key_and_lets_one_key_in(case: str, is_filled: bool) -> None:  # noqa: FBT001 - both
    """Before placeholders are filled in and after: known keys only, old host keys gone, one login, no password."""
    text = CASES[case].files()["cloud-init.yaml"]
    if is_filled:
        text = cast("str", fill(text, FILLED))
    assert text.startswith("#cloud-config\n")
    config = yaml.safe_load(text)
    assert set(config) <= CLOUD_INIT_KEYS
    assert config["ssh_deletekeys"] is True
    assert set(config["ssh_keys"]) == {"ed25519_private", "ed25519_public"}
    assert (config["ssh_pwauth"], config["disable_root"]) == (False, True)
    assert len(config["ssh_authorized_keys"]) == 1
    assert names_in(text) == [] if is_filled else "PLEXCTL_SSH_HOST_KEY" in names_in(text)
    if is_filled:
        assert config["ssh_keys"]["ed25519_private"].splitlines()[0] == "-----BEGIN OPENSSH PRIVATE KEY-----"
        assert config["ssh_authorized_keys"] == [FILLED["PLEXCTL_SSH_PUBLIC_KEY"]]


@pytest.mark.parametrize("case", MACHINES)
def test_no_secret_is_even_named_in_user_data(case: str) -> None:
    """Providers keep user data where others may read it: no token goes that way, not as a placeholder either."""
    assert not set(names_in(CASES[case].files()["cloud-init.yaml"])) & {"HF_TOKEN", "PLEXCTL_TOKEN", "EXTRA"}


@pytest.mark.parametrize("case", HOSTS)
def test_units_hand_no_value_to_a_command_line(case: str) -> None:
    """Docker gets variables by name, publishes on the loopback only, and sees a GPU where one is needed."""
    plan = CASES[case].plan()
    engine = cast("Any", resource(plan, "host-files").body)["bootstrap"]["ENGINE"]
    units = {path: text for path, text in below(CASES[case].files()).items() if path.startswith("units/")}
    assert units
    for path, unit in units.items():
        assert "Restart=on-failure\n" in unit
        if path.startswith("units/docker/"):
            assert set(plan.secrets) <= set(re.findall(r"--env (\S+) \\\n", unit))
            assert re.findall(r"--publish (\S+)", unit)[0].startswith("127.0.0.1:")
            assert ("--gpus all" in unit) == (engine == "personaplex")
        else:
            assert "PLEXCTL_HOST=127.0.0.1 " in unit
            assert "NoNewPrivileges=yes\n" in unit


def test_a_template_of_the_users_takes_the_place_of_ours(tmp_path: Path) -> None:
    """One part of the script can be replaced without the others."""
    part = tmp_path / "host" / "bootstrap" / "account.sh.j2"
    part.parent.mkdir(parents=True)
    part.write_text("make_account() { true; } # mine\n", encoding="utf-8")
    from tests.hosts.cases import Case

    case = Case("mine", "ssh", {**CASES["ssh-echo"].wanted, "templates": {"folder": str(tmp_path)}})
    script = case.files()["bootstrap.sh"]
    assert "make_account() { true; } # mine\n" in script
    assert "useradd" not in script


def test_exit_codes_are_documented() -> None:
    """Every code that the script can end with is in its own header and in the table of docs/hosts.md."""
    script = CASES["ssh-full"].files()["bootstrap.sh"]
    head, _, body = script.partition("set -euo pipefail")
    ends = re.findall(r"\b(?:die|quietly|exit|wait_for \w+|start_unit \w+ \S+) (\d+)\b", body)
    used = {0, *map(int, ends)}
    listed = head.partition("# Exit codes: ")[2]
    table = (ROOT / "docs" / "hosts.md").read_text(encoding="utf-8").partition("| exit code |")[2]
    assert {int(code) for code in re.findall(r"(?:^|[,#] )(\d+) ", listed, re.MULTILINE)} == used
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)} == used

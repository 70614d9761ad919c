from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import cast

import pytest
from tests.hosts.cases import CASES, FILLED, HOSTS, MACHINES
from tests.hosts.test_files import below

from plexctl_providers._common.placeholders import fill

pytestmark = pytest.mark.real


def run(*argv: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a validator to its end."""
    return subprocess.run([*argv], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("case", MACHINES)
@pytest.mark.parametrize("is_filled", [False, True])
def test_cloud_init_takes_the_user_data(case: str, is_filled: bool, tmp_path: Path) -> None:  # noqa: FBT001 - both
    """The schema of cloud-init itself finds it valid, as rendered and as sent."""
    text = CASES[case].files()["cloud-init.yaml"]
    file = tmp_path / "cloud-init.yaml"
    file.write_text(cast("str", fill(text, FILLED)) if is_filled else text, encoding="utf-8")
    done = run("cloud-init", "schema", "--config-file", file)
    assert (done.returncode, done.stdout.startswith("Valid cloud-config")) == (0, True), done.stdout + done.stderr


@pytest.mark.parametrize("case", HOSTS)
def test_systemd_takes_the_units(case: str, tmp_path: Path) -> None:
    """The verification of systemd itself finds nothing to say; what they start is put where it can be found."""
    (tmp_path / "docker.service").write_text("[Service]\nExecStart=/bin/true\n", encoding="utf-8")
    for path, text in below(CASES[case].files()).items():
        if path.endswith(".service"):
            found = re.sub(r"^(Exec\w+=-?)/\S+", r"\1/bin/true", cast("str", fill(text, FILLED)), flags=re.MULTILINE)
            unit = tmp_path / path.replace("/", "-")
            unit.write_text(found, encoding="utf-8")
            done = run("systemd-analyze", "verify", "--man=no", unit, tmp_path / "docker.service")
            assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize(("case", "file"), [("ssh-full", "Caddyfile"), ("ssh-ip", "Caddyfile.pinned")])
def test_caddy_takes_its_file(case: str, file: str, tmp_path: Path) -> None:
    """Caddy finds the file for a domain valid, and the one with a certificate of its own."""
    certificate = tmp_path / "certificate"
    subject = ("-subj", "/CN=plexctl", "-keyout", f"{certificate}.key", "-out", f"{certificate}.pem")
    assert run("openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", *subject).returncode == 0
    text = below(CASES[case].files())[f"caddy/{file}"].replace("/etc/plexctl/tls/certificate", str(certificate))
    (tmp_path / file).write_text(cast("str", fill(text, FILLED)), encoding="utf-8")
    done = run("caddy", "validate", "--adapter", "caddyfile", "--config", tmp_path / file)
    assert done.returncode == 0, done.stderr


def test_only_the_profile_for_addresses_is_new_to_an_older_caddy(tmp_path: Path) -> None:
    """Where Caddy is older than 2.10 the file for an address is refused for its one new word, and valid without it."""
    text = cast("str", fill(below(CASES["ssh-ip"].files())["caddy/Caddyfile"], FILLED))
    file = tmp_path / "Caddyfile"
    file.write_text(text, encoding="utf-8")
    done = run("caddy", "validate", "--adapter", "caddyfile", "--config", file)
    assert done.returncode == 0 or "unrecognized ACME issuer property: profile" in done.stderr
    file.write_text(text.replace("profile shortlived", ""), encoding="utf-8")
    assert run("caddy", "validate", "--adapter", "caddyfile", "--config", file).returncode == 0

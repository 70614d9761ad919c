"""Who we are, in which project, and that none of it ever goes to an emulator."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.cloudrun.ground import Ground, spec_of
from tests.clouds.google import Google

from plexctl.errors import ConfigurationError, CredentialsError
from plexctl.model import Level
from plexctl_providers.cloudrun.credentials import emulator_url, identity
from plexctl_providers.cloudrun.errors import LOGIN


def key_file(folder: Path) -> dict[str, str]:
    """Write a service account's key as Google gives it out, and return what is in it."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    content = {
        "type": "service_account",
        "project_id": "the-keys-project",
        "private_key_id": "0123456789abcdef0123456789abcdef01234567",
        "private_key": pem,
        "client_email": "robot@the-keys-project.iam.gserviceaccount.com",
        "client_id": "109876543210987654321",
        "auth_uri": "https://accounts.google.com/o/oauth2/auth",
        "token_uri": "https://oauth2.googleapis.com/token",
        "universe_domain": "googleapis.com",
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "application_default_credentials.json").write_text(json.dumps(content), encoding="utf-8")
    return content


def test_not_one_byte_of_a_key_reaches_an_emulator(ground: Ground, google: Google, tmp_path: Path) -> None:
    """With a real key in the environment, everything that came in has no part of it, and no token made from it."""
    content = key_file(tmp_path / "gcloud")
    path = tmp_path / "gcloud" / "application_default_credentials.json"
    ground.environment |= {"GOOGLE_APPLICATION_CREDENTIALS": str(path), "CLOUDSDK_CONFIG": str(path.parent)}
    with ground.begun() as entry:
        ground.apply(entry)
        ground.provider().status(entry.ref)
        list(ground.provider().logs(entry.ref, follow=False, since=None, tail=5))
        ground.provider().destroy(entry.ref, everything=True)
    came_in = "\n".join(
        f"{seen.verb} {seen.path} {seen.headers} {seen.content.decode(errors='replace')}" for seen in google.requests
    )
    lines = content["private_key"].splitlines()[1:-1]
    parts = [*lines, *(content[key] for key in ("private_key_id", "client_email", "client_id", "project_id"))]
    assert len(google.requests) > 50
    assert [part for part in parts if part in came_in] == []
    assert "authorization" not in came_in.lower()
    assert "eyJ" not in came_in


def test_nothing_of_adc_is_opened_for_an_emulator(google: Google, tmp_path: Path) -> None:
    """A key file that cannot even be read disturbs nobody."""
    environment = google.environment | {"GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "not-there.json")}
    assert identity(environment).project is None


@pytest.mark.parametrize(
    "url",
    [
        *("http://example.com", "https://127.0.0.1:1", "http://10.0.0.1:80", "127.0.0.1:80", "http://evil.localhost.x"),
        *("http://[::1", "http://127.0.0.1:abc", "http://127.0.0.1:99999", "http://127.0.0.1:0", " "),
        *("http://me:hunter2@127.0.0.1:80", "http://me:hunter2@example.com", "http://me:hunter2@[::1"),
    ],
)
def test_an_emulator_off_the_loopback_is_refused(url: str) -> None:
    """Only a sound address of plain HTTP on this machine: exit 3 with the fix, and never a password of it."""
    with pytest.raises(ConfigurationError) as caught:
        emulator_url({"PLEXCTL_GOOGLE_URL": url})
    assert caught.value.exit_code == 3
    assert "http://127.0.0.1:PORT" in (caught.value.hint or "")
    assert "hunter2" not in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize("url", ["http://127.0.0.1:80", "http://localhost:80/", "http://[::1]:80"])
def test_an_emulator_on_the_loopback_is_taken(url: str) -> None:
    """By number of either kind, or by name."""
    assert emulator_url({"PLEXCTL_GOOGLE_URL": url}) == url.rstrip("/")


def test_no_credentials_name_the_command(tmp_path: Path) -> None:
    """Exit 4, and what makes some."""
    with pytest.raises(CredentialsError) as caught:
        identity({"HOME": str(tmp_path), "NO_GCE_CHECK": "true"})
    assert (caught.value.hint, caught.value.exit_code) == (LOGIN, 4)


@pytest.mark.parametrize("text", ["", "not json", '{"type": "unheard_of"}', '{"type": "service_account"}', "[]"])
def test_a_broken_key_file_is_said_as_such(tmp_path: Path, text: str) -> None:
    """Whatever is in it, it is exit 4 and the same command."""
    path = tmp_path / "key.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CredentialsError) as caught:
        identity({"GOOGLE_APPLICATION_CREDENTIALS": str(path)})
    assert caught.value.hint == LOGIN
    with pytest.raises(CredentialsError):
        identity({"GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "none.json")})


def test_the_users_environment_counts_not_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are those that the user's environment names: a key file, else gcloud's own; each tells a project."""
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "of-the-process.json"))
    key_file(tmp_path / "gcloud")
    named = {"GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "gcloud" / "application_default_credentials.json")}
    for environment in (named, {"CLOUDSDK_CONFIG": str(tmp_path / "gcloud")}):
        assert identity(environment).project == "the-keys-project"
    key_file(tmp_path / ".config" / "gcloud")
    assert identity({"HOME": str(tmp_path)}).project == "the-keys-project"


def test_gclouds_own_credentials_name_the_quota_project(tmp_path: Path) -> None:
    """A person's credentials have no project but the one that pays for calls."""
    content = {
        "type": "authorized_user",
        "client_id": "x",
        "client_secret": "y",
        "refresh_token": "z",
        "quota_project_id": "paid-by",
    }
    (tmp_path / "application_default_credentials.json").write_text(json.dumps(content), encoding="utf-8")
    assert identity({"CLOUDSDK_CONFIG": str(tmp_path)}).project == "paid-by"


def test_a_project_that_is_not_is_exit_3(ground: Ground) -> None:
    """Google does not tell one that is not from one that we may not see; both are said, with the command."""
    for name in ("cloudrun", "environment"):
        spec = spec_of(cloudrun={"project": "no-such-project"} if name == "cloudrun" else {})
        ground.environment["GOOGLE_CLOUD_PROJECT"] = "no-such-project"
        with pytest.raises(ConfigurationError, match="no-such-project") as caught:
            ground.provider().preflight(spec)
        assert "gcloud projects list" in (caught.value.hint or "")


def test_doctor_is_told_who_we_are(ground: Ground, google: Google) -> None:
    """One call that only reads: the project's number, or what is wrong and how to mend it."""
    found = ground.provider().check_credentials()
    assert (found.level, found.message) == (Level.OK, f"project my-project ({google.books.number})")
    ground.environment["GOOGLE_CLOUD_PROJECT"] = "no-such-project"
    assert ground.provider().check_credentials().level is Level.FAIL
    assert google.mutations == []

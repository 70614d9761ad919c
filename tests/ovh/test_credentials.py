"""Who one is: from the environment, from files where that is safe, one way at a time; and how a person gets a key."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from tests.clouds.ovh.door import APPLICATION, CLIENT, CONSUMER, SECRET
from tests.clouds.ovh.state import PROJECT
from tests.ovh.rig import Rig

from plexctl.errors import ConfigurationError, CredentialsError, NoCredentialsError
from plexctl.model import Level
from plexctl_providers.ovh.consumer_key import request_consumer_key
from plexctl_providers.ovh.credentials import read_credentials
from plexctl_providers.ovh.sdk import open_sdk

PEOPLE = {"OVH_APPLICATION_KEY": "ak", "OVH_APPLICATION_SECRET": "as", "OVH_CONSUMER_KEY": "ck"}
CI = {"OVH_CLIENT_ID": "id", "OVH_CLIENT_SECRET": "secret"}
FILE = "[default]\nendpoint=ovh-ca\n[ovh-ca]\napplication_key=fk\napplication_secret=fs\nconsumer_key=fc\n"


@pytest.mark.parametrize(
    ("environment", "error", "says"),
    [
        ({}, NoCredentialsError, "no credentials"),
        (PEOPLE | CI, ConfigurationError, "two ways"),
        ({"OVH_CLIENT_ID": "id"}, ConfigurationError, "OVH_CLIENT_SECRET must be set"),
        ({"OVH_APPLICATION_KEY": "ak"}, ConfigurationError, "OVH_APPLICATION_SECRET"),
        ({**PEOPLE, "OVH_CONSUMER_KEY": ""}, NoCredentialsError, "OVH_CONSUMER_KEY"),
        ({**PEOPLE, "OVH_ENDPOINT": "ovh-mars"}, ConfigurationError, "ovh-mars"),
        ({**PEOPLE, "OVH_CONSUMER_KEY": "c\nk"}, ConfigurationError, "characters"),
        ({**PEOPLE, "PLEXCTL_OVH_URL": "http://192.0.2.1/1.0"}, ConfigurationError, "loopback"),
        ({**PEOPLE, "PLEXCTL_OVH_URL": "https://ovh.example/1.0"}, ConfigurationError, "loopback"),
        ({**PEOPLE, "PLEXCTL_OVH_URL": "ftp://127.0.0.1"}, ConfigurationError, "loopback"),
    ],
)
def test_what_contradicts_itself_is_said(environment: dict[str, str], error: type[Exception], says: str) -> None:
    """Nothing set, half of it, both ways at once, another endpoint: each is an error of its own that names it."""
    with pytest.raises(error) as caught:
        read_credentials(environment)
    assert says in str(caught.value)
    assert getattr(caught.value, "hint", "")


def test_each_endpoint_is_its_own_place() -> None:
    """Keys for Europe, Canada and the United States go nowhere else."""
    found = [read_credentials({**PEOPLE, "OVH_ENDPOINT": one}).base for one in ("ovh-eu", "ovh-ca", "ovh-us")]
    assert found == ["https://eu.api.ovh.com/1.0", "https://ca.api.ovh.com/1.0", "https://api.us.ovhcloud.com/1.0"]


def test_files_are_the_users_own_and_never_an_emulators(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """~/.ovh.conf is read behind the environment; not for an emulator; and an ovh.conf in the folder never is."""
    (tmp_path / ".ovh.conf").write_text(FILE, encoding="utf-8")
    here = tmp_path / "checkout"
    here.mkdir()
    (here / "ovh.conf").write_text(FILE.replace("fk", "evil"), encoding="utf-8")
    monkeypatch.chdir(here)
    found = read_credentials({"HOME": str(tmp_path)})
    assert (found.endpoint, found.application_key, found.consumer_key.reveal()) == ("ovh-ca", "fk", "fc")
    assert read_credentials({"HOME": str(tmp_path), "OVH_APPLICATION_KEY": "mine"}).application_key == "mine"
    with pytest.raises(NoCredentialsError):
        read_credentials({"HOME": str(tmp_path), "PLEXCTL_OVH_URL": "http://127.0.0.1:1/1.0"})
    with pytest.raises(NoCredentialsError):
        read_credentials({"HOME": str(here)})


def test_a_broken_file_is_named_and_not_quoted(tmp_path: Path) -> None:
    """The words of the parser would show the line, and with it a key."""
    (tmp_path / ".ovh.conf").write_text("application_secret=canary-1\n", encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        read_credentials({"HOME": str(tmp_path)})
    assert ".ovh.conf" in str(caught.value)
    assert "canary-1" not in str(caught.value)


def test_the_process_environment_is_nobodys(monkeypatch: pytest.MonkeyPatch) -> None:
    """python-ovh gets what it is given: variables of the process that would contradict it are not read."""
    for name, value in (*CI.items(), ("OVH_ENDPOINT", "ovh-us"), ("OVH_CONSUMER_KEY", "of the process")):
        monkeypatch.setenv(name, value)
    sdk = open_sdk(read_credentials(PEOPLE), time.monotonic)
    assert (sdk._endpoint, sdk._consumer_key, sdk._oauth2) == ("https://eu.api.ovh.com/1.0", "ck", None)


def test_people_and_ci_come_in(rig: Rig) -> None:
    """A signed request, and one with a token, are both let in; the token is fetched once and renewed when it ends."""
    assert rig.client().projects() == [PROJECT]
    assert rig.cloud.door.signed == 1
    service = rig.client(rig.cloud.for_ci)
    assert [service.projects(), service.projects()] == [[PROJECT]] * 2
    assert rig.operations().count("token") == 1
    rig.cloud.door.tokens.clear()
    assert service.projects() == [PROJECT]
    assert rig.operations().count("token") == 2


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("OVH_APPLICATION_KEY", "other", "does not know the application key"),
        ("OVH_APPLICATION_SECRET", "other", "the application's secret"),
        ("OVH_CONSUMER_KEY", "other", "was revoked"),
    ],
)
def test_wrong_keys_end_in_the_step_that_renews_them(rig: Rig, variable: str, value: str, says: str) -> None:
    """Each wrong key is CredentialsError with the page that makes new ones, rights filled in; no key is shown."""
    with pytest.raises(CredentialsError) as caught:
        rig.client({**rig.cloud.for_people, variable: value}).projects()
    assert says in caught.value.message
    assert "createToken/?GET=/cloud/project&" in str(caught.value.hint)
    shown = f"{caught.value.message} {caught.value.hint}"
    assert [one for one in (SECRET, CONSUMER, APPLICATION, PROJECT) if one in shown] == []


def test_a_service_account_that_is_refused(rig: Rig) -> None:
    """A wrong secret is CredentialsError that names both variables; the secret is not shown."""
    with pytest.raises(CredentialsError) as caught:
        rig.client({**rig.cloud.for_ci, "OVH_CLIENT_SECRET": "canary-2"}).projects()
    assert "OVH_CLIENT_SECRET" in str(caught.value.hint)
    assert "canary-2" not in repr((caught.value.message, caught.value.hint))


def test_a_clock_that_was_set_in_between_is_asked_for_again(rig: Rig) -> None:
    """OVHcloud's time moves by an hour against ours: the refused request is signed anew, and goes through."""
    client = rig.client()
    assert client.projects() == [PROJECT]
    rig.cloud.door.skew_s = 3600
    assert client.projects() == [PROJECT]
    assert rig.operations().count("time") == 2


def test_a_skewed_clock_from_the_beginning_is_no_error(rig: Rig) -> None:
    """What this machine's clock says does not matter: python-ovh signs with OVHcloud's time."""
    rig.cloud.door.skew_s = -7200
    assert rig.client().projects() == [PROJECT]


def test_a_person_gets_a_consumer_key(rig: Rig) -> None:
    """The key counts once its owner has confirmed it at the address; until then the check says so."""
    environment = {name: value for name, value in rig.cloud.for_people.items() if name != "OVH_CONSUMER_KEY"}
    with pytest.raises(NoCredentialsError) as missing:
        rig.provider(environment=environment).check_credentials()
    assert "doctor" in str(missing.value.hint)
    address, key = request_consumer_key(environment)
    assert address.endswith(key.reveal())
    mine = environment | {"OVH_CONSUMER_KEY": key.reveal()}
    with pytest.raises(CredentialsError) as early:
        rig.provider(environment=mine).check_credentials()
    assert "not confirmed" in early.value.message
    rig.cloud.door.consumers[key.reveal()] = "validated"
    found = rig.provider(environment=mine).check_credentials()
    assert (found.level, "1 Public Cloud project" in found.message) == (Level.OK, True)


def test_a_service_account_is_checked(rig: Rig) -> None:
    """Doctor says who it is."""
    assert "the service account" in rig.provider(environment=rig.cloud.for_ci).check_credentials().message
    assert CLIENT not in rig.provider(environment=rig.cloud.for_ci).check_credentials().message

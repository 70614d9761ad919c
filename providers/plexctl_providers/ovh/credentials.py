"""Who one is at OVHcloud, and where its API is: from the user's environment, then from the files python-ovh knows.

CI has a service account (OAuth2: OVH_CLIENT_ID, OVH_CLIENT_SECRET), people have an application and a consumer key
(OVH_APPLICATION_KEY, OVH_APPLICATION_SECRET, OVH_CONSUMER_KEY). An `ovh.conf` in the current folder is not read, unlike
python-ovh: a folder that somebody else made would decide in whose account the user's tokens end up.
"""

from __future__ import annotations

from collections.abc import Mapping
from configparser import Error, RawConfigParser
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from plexctl.errors import ConfigurationError, NoCredentialsError
from plexctl.secret import Secret
from plexctl_providers._common.client import is_trustworthy
from plexctl_providers._common.loopback import is_loopback

EMULATOR = "PLEXCTL_OVH_URL"
ENDPOINT = "OVH_ENDPOINT"
PROJECT = "PLEXCTL_OVH_PROJECT"
_NONE = Secret("")
_SYSTEM_FILE = Path("/etc/ovh.conf")
_NAMES = ("application_key", "application_secret", "consumer_key", "client_id", "client_secret")
_BASES = {
    "ovh-eu": ("https://eu.api.ovh.com/1.0", "https://www.ovh.com/auth/oauth2/token"),
    "ovh-ca": ("https://ca.api.ovh.com/1.0", "https://ca.ovh.com/auth/oauth2/token"),
    "ovh-us": ("https://api.us.ovhcloud.com/1.0", "https://us.ovhcloud.com/auth/oauth2/token"),
}
"""Endpoint to its API and where OAuth2 gives tokens (python-ovh 1.2.0, `client.py`)."""
RIGHTS = tuple(
    (method, path)
    for path in ("/cloud/project", "/cloud/project/*")
    for method in ("GET", "POST", "PUT", "DELETE")
    if path.endswith("*") or method == "GET"
)
"""What plexctl asks of a consumer key: the projects' list, and everything in them."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """One account at one endpoint. Either client or application is set."""

    endpoint: str
    base: str
    """Paths such as `/cloud/project` follow it."""
    token_url: str
    is_emulator: bool = False
    application_key: str = ""
    application_secret: Secret = _NONE
    consumer_key: Secret = _NONE
    client_id: str = ""
    client_secret: Secret = _NONE

    @property
    def is_service_account(self) -> bool:
        """Whether OAuth2 tokens are used."""
        return bool(self.client_id)

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """What may stand in no message."""
        return tuple(one for one in (self.application_secret, self.consumer_key, self.client_secret) if one)

    @property
    def renewal(self) -> str:
        """The one step that gives a person new keys, as a hint."""
        return (
            f"make new keys at {self.token_page}, or run `plexctl doctor --login ovh`; set OVH_APPLICATION_KEY, "
            "OVH_APPLICATION_SECRET and OVH_CONSUMER_KEY"
        )

    @property
    def token_page(self) -> str:
        """OVHcloud's own page that makes all three keys at once, with plexctl's rights filled in."""
        rights = "&".join(f"{method}={quote(path, safe='/*')}" for method, path in RIGHTS)
        return f"{self.base.rpartition('/')[0]}/createToken/?{rights}"


def read_credentials(environment: Mapping[str, str], *, needs_consumer_key: bool = True) -> Credentials:
    """Return who one is.

    Raises ConfigurationError for what contradicts itself, NoCredentialsError where nothing is set.
    """
    emulator = environment.get(EMULATOR, "").strip().rstrip("/")
    saved = None if emulator else _saved(environment)
    endpoint = environment.get(ENDPOINT, "").strip() or _from(saved, "default", "endpoint") or "ovh-eu"
    if endpoint not in _BASES:
        raise ConfigurationError(f"{ENDPOINT} is {endpoint!r}", hint=f"it is one of {', '.join(_BASES)}")
    base, token_url = _emulated(emulator) if emulator else _BASES[endpoint]
    given = {name: _value(environment, saved, endpoint, name) for name in _NAMES}
    found = Credentials(
        endpoint,
        base,
        token_url,
        bool(emulator),
        application_key=given["application_key"],
        application_secret=Secret(given["application_secret"]),
        consumer_key=Secret(given["consumer_key"]),
        client_id=given["client_id"],
        client_secret=Secret(given["client_secret"]),
    )
    _check(found, given, needs_consumer_key=needs_consumer_key)
    return found


def _check(found: Credentials, given: Mapping[str, str], *, needs_consumer_key: bool) -> None:
    client = {"client_id", "client_secret"}
    application = {"application_key", "application_secret"} | ({"consumer_key"} if needs_consumer_key else set())
    has = {name for name, value in given.items() if value}
    if has & client and has & {"application_key", "application_secret", "consumer_key"}:
        words = (
            f"two ways to log in to OVHcloud at once: {', '.join(_variable(name) for name in _NAMES if name in has)}"
        )
        hint = "keep OVH_CLIENT_ID and OVH_CLIENT_SECRET for CI, or the application's three keys for people"
        raise ConfigurationError(words, hint=hint)
    wanted = client if has & client else application
    missing = [_variable(name) for name in _NAMES if name in wanted - has]
    if not has:
        hint = f"{found.renewal}; for CI, set OVH_CLIENT_ID and OVH_CLIENT_SECRET of a service account"
        raise NoCredentialsError("no credentials for OVHcloud are set", hint=hint)
    if missing == [_variable("consumer_key")]:
        hint = (
            f"`plexctl doctor --login ovh` asks OVHcloud for one that you then confirm in a browser, or {found.renewal}"
        )
        raise NoCredentialsError("OVH_CONSUMER_KEY is not set", hint=hint)
    if missing:
        raise ConfigurationError(f"{' and '.join(missing)} must be set too", hint=found.renewal)
    odd = [_variable(name) for name, value in given.items() if not value.isascii() or not value.isprintable()]
    if odd:
        raise ConfigurationError(f"{odd[0]} has characters that no key has", hint="copy it once more")


def _emulated(url: str) -> tuple[str, str]:
    """Return an emulator's API and where it gives tokens. Raises ConfigurationError off the loopback."""
    parts = urlsplit(url)
    if not is_trustworthy(url) or not is_loopback(parts.hostname or ""):
        hint = "it is for an emulator on this machine: http://127.0.0.1:PORT"
        raise ConfigurationError(f"{EMULATOR}={url!r} is no address of the loopback", hint=hint)
    return url, f"{parts.scheme}://{parts.netloc}/auth/oauth2/token"


def _value(environment: Mapping[str, str], saved: RawConfigParser | None, endpoint: str, name: str) -> str:
    return environment.get(_variable(name), "").strip() or _from(saved, endpoint, name)


def _variable(name: str) -> str:
    return f"OVH_{name.upper()}"


def _from(saved: RawConfigParser | None, section: str, name: str) -> str:
    return "" if saved is None else saved.get(section, name, fallback="").strip()


def _saved(environment: Mapping[str, str]) -> RawConfigParser:
    """Read what python-ovh's users have in their files; the user's own stands before the system's."""
    home = environment.get("HOME")
    files = [_SYSTEM_FILE, *([Path(home) / ".ovh.conf"] if home else [])]
    saved = RawConfigParser()
    for path in files:
        try:
            saved.read(path, encoding="utf-8")
        except (Error, UnicodeDecodeError) as error:
            # The parser's own words quote the line, which may hold a key.
            words = f"{path} cannot be read: {type(error).__name__}"
            raise ConfigurationError(words, hint="see python-ovh's documentation for its form") from None
    return saved

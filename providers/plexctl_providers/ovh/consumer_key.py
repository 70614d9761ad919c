"""The login for people: OVHcloud gives a consumer key that counts once its owner has confirmed it in a browser."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from plexctl.errors import PlexError
from plexctl.secret import Secret
from plexctl_providers._common.clock import Clock
from plexctl_providers.ovh.credentials import RIGHTS, read_credentials
from plexctl_providers.ovh.errors import as_plexctls, nonsense, read_refusal
from plexctl_providers.ovh.sdk import open_sdk

_ACTION = "ask for a consumer key"


def request_consumer_key(environment: Mapping[str, str], clock: Clock = Clock()) -> tuple[str, Secret]:  # noqa: B008
    """Return the address at which the user confirms, and the key that counts from then on.

    Needs OVH_APPLICATION_KEY and OVH_APPLICATION_SECRET (https://eu.api.ovh.com/createApp/ gives both), OVH_ENDPOINT
    beside ovh-eu. A command that has a terminal shows the address, waits for Enter, and tells the user to set
    OVH_CONSUMER_KEY to the key, or to write it to ~/.ovh.conf; `check_credentials` then says whether it counts.
    Raises NoCredentialsError, ConfigurationError, CredentialsError, ProviderError.
    """
    credentials = read_credentials(environment, needs_consumer_key=False)
    rules = [{"method": method, "path": path} for method, path in RIGHTS]
    sdk: Any = open_sdk(credentials, clock.now)
    try:
        answer = sdk.call("POST", "/auth/credential", {"accessRules": rules}, False)  # noqa: FBT003 - the SDK's
    except PlexError:
        raise
    except Exception as error:  # noqa: BLE001 - as in `client`
        raise as_plexctls(read_refusal(error, credentials.secrets), _ACTION, credentials) from None
    told = answer if isinstance(answer, Mapping) else {}
    address, key = told.get("validationUrl"), told.get("consumerKey")
    if not isinstance(address, str) or not isinstance(key, str) or not key:
        raise nonsense(_ACTION, "no address and no key")
    return address, Secret(key)

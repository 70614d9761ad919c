"""The way to Modal: whose credentials, which server, which version of its client. Nothing is imported before.

Another server than Modal's own (`MODAL_SERVER_URL`) gets nothing of the user's configuration file: credentials come
from the two variables, and the environment from `MODAL_ENVIRONMENT`.
"""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from plexctl.errors import ConfigurationError, ExtraMissingError, NoCredentialsError
from plexctl_providers._common.loopback import is_loopback
from plexctl_providers.modal.errors import modal_errors

if TYPE_CHECKING:
    import modal

SERVER = "MODAL_SERVER_URL"
_TOKEN = ("MODAL_TOKEN_ID", "MODAL_TOKEN_SECRET")
_ENVIRONMENT = "MODAL_ENVIRONMENT"
_LOG_LEVEL = "MODAL_LOGLEVEL"
_OLDEST = (1, 6, 3)
"""The first with `App.stop`."""
_EXTRA = "pip install 'plexctl[modal]'"


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _is_importable() -> bool:
    """Tell whether it is there in fact: what pip notes may outlive the package."""
    try:
        import modal  # noqa: F401
    except ModuleNotFoundError:
        return False
    return True


@contextmanager
def connect(environment: Mapping[str, str]) -> Iterator[modal.Client]:
    """Give a client for the user's account.

    Raises ExtraMissingError without Modal's client or with one that is too old, CredentialsError without credentials,
    ConfigurationError for a server that is neither Modal's nor safe.
    """
    server = _server(environment)
    require_client()
    import modal

    _quieten(environment)
    if server is not None:
        _adopt(environment)

    token_id, secret = (environment.get(name, "") for name in _TOKEN)
    with modal_errors("connect to Modal"):
        if token_id and secret:
            client = modal.Client.from_credentials(token_id, secret)
        elif server is not None:
            raise NoCredentialsError(f"{SERVER} names {server}, and there is no token for it", hint=f"set {_both()}")
        else:
            client = modal.Client.from_env()  # the profile of the user's configuration file
    try:
        yield client
    finally:
        if token_id and secret:
            client.close()


def require_client(version_of: Callable[[str], str | None] = _installed) -> str:
    """Return the version of Modal's client. Raises ExtraMissingError when it is missing or too old."""
    version = version_of("modal")
    if version is None or not _is_importable():
        raise ExtraMissingError("provider modal needs the package modal, which is not installed", hint=_EXTRA)
    has = tuple(int(piece) for piece in re.findall(r"\d+", version)[:3])
    if has < _OLDEST:
        wants = ".".join(map(str, _OLDEST))
        words = f"modal {version} is installed, and plexctl needs {wants} or newer"
        raise ExtraMissingError(words, hint="pip install -U 'plexctl[modal]'")
    return version


def _server(environment: Mapping[str, str]) -> str | None:
    """Return the server that stands for Modal's, if one is named."""
    server = environment.get(SERVER) or None
    for url in (server or "").split(","):
        if url and not _is_safe(url.strip()):
            words = f"{SERVER} is {url.strip()}: a token would go there in the clear"
            raise ConfigurationError(words, hint=f"unset {SERVER}, or name an https address; http is for the loopback")
    return server


def _is_safe(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))


def _quieten(environment: Mapping[str, str]) -> None:
    """Keep from the user what Modal's client says to programmers: on its own classes, and of its own tasks.

    What fails is raised; a user who sets a level for the client's log wants to see the rest.
    """
    from modal.exception import AsyncUsageWarning, DeprecationError, InternalAPIWarning, ServerWarning

    for kind in (AsyncUsageWarning, DeprecationError, InternalAPIWarning, ServerWarning):
        warnings.filterwarnings("ignore", category=kind)
    if _LOG_LEVEL not in environment:
        logging.getLogger("modal-client").setLevel(logging.CRITICAL)
    logging.getLogger("asyncio").addFilter(_is_not_the_clients)


def _is_not_the_clients(record: logging.LogRecord) -> bool:
    """Leave out tasks that Modal's client let fail without looking: it raises what matters."""
    return "/modal/" not in record.getMessage()


def _adopt(environment: Mapping[str, str]) -> None:
    """Have Modal's client go by the user's environment where that names a server: on the command line it does so."""
    from modal.config import config

    config.override_locally("server_url", environment[SERVER])
    config.override_locally("environment", environment.get(_ENVIRONMENT, ""))


def _both() -> str:
    return " and ".join(_TOKEN)

"""The only I/O with Vast: the vendor's own client, asked once (`retry=1`), at the pace that Vast allows.

Its own repeats are never used: they would rent twice. What may be repeated here is what changes nothing, or changes it
to the same again. `explain` and `curl` of the vendor's client show the key, and are never set.
"""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

from plexctl.errors import ConfigurationError, CredentialsError, ExtraMissingError, NoCredentialsError
from plexctl.secret import Secret
from plexctl_providers._common.loopback import is_private_way
from plexctl_providers.vast import pacing
from plexctl_providers.vast.bodies import API, BUNDLES, INSTANCES, LOGS
from plexctl_providers.vast.errors import KEY_HINT, NoAnswer, Refused, contract_in, read_refusal
from plexctl_providers.vast.pacing import Pacing, pace_of
from plexctl_providers.vast.rows import Instance, read_asks, read_instances, read_one

KEY = "VAST_API_KEY"
BASE = "VAST_URL"
_PAGE = 25
_TRIES = 4
_FIRST_PAUSE_S = 1.0
_LIMIT_S = 60.0
"""Until an answer; the vendor's own client waits two minutes."""
_LOG_POLLS, _LOG_PAUSE_S = 40, 0.5
"""Vast's own client waits 30 times 0.3 s for a log."""
_LOG_LIMIT_S = 10.0
_TLS, _CERTIFICATE_AGE_S = "certificate", 15.0
"""A container that a host started anew has another one, and only its log tells."""
_NOT_YET = {401, 403, 404}
"""What the place of a log answers until the host has put it there."""
_OK = 200


class VastClient:
    """One account at Vast. Raises Refused and NoAnswer (`plexctl_providers.vast.errors`)."""

    def __init__(self, environment: Mapping[str, str], hidden: Iterable[Secret], pace: Pacing | None) -> None:
        self._environment = environment
        self._hidden = tuple(hidden)
        self._own_pace = pace

    @cached_property
    def pace(self) -> Pacing:
        """When the next request may go. Raises ConfigurationError and CredentialsError."""
        return self._own_pace or pace_of(self.base, self._key)

    @cached_property
    def base(self) -> str:
        """Return where Vast is. Raises ConfigurationError for another place that would see the key in the clear."""
        url = (self._environment.get(BASE) or API).rstrip("/")
        if not is_private_way(url):
            raise ConfigurationError(f"{BASE} is not https://HOST", hint="http:// is for this machine's own only")
        return url

    @cached_property
    def _key(self) -> Secret:
        """Return the key: the environment's, or with Vast itself the one that its command line saved."""
        found = self._environment.get(KEY, "").strip() or self._saved_key()
        if not found:
            raise NoCredentialsError("no key for Vast is set", hint=KEY_HINT)
        if not (found.isascii() and found.isprintable()):
            raise CredentialsError("the key for Vast has characters that no header carries", hint=KEY_HINT)
        return Secret(found)

    def _saved_key(self) -> str:
        home = self._environment.get("HOME")
        if self._environment.get(BASE) or not home:
            return ""
        config = Path(self._environment.get("XDG_CONFIG_HOME") or Path(home, ".config"))
        for path in (config / "vastai" / "vast_api_key", Path(home, ".vast_api_key")):
            try:
                return path.read_text(encoding="utf-8", errors="replace").strip()
            except OSError:
                continue
        return ""

    @cached_property
    def _sdk(self) -> Any:
        key, base = self._key, self.base
        # Vast's package puts a handler of its own on standard error, unless there is one.
        logger = logging.getLogger("vastai")
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())
            logger.propagate = False
        try:
            with warnings.catch_warnings():
                # It imports what Python is about to drop; that is nobody's business here.
                warnings.simplefilter("ignore")
                sdk = import_module("vastai")
        except ModuleNotFoundError as error:
            words = f"provider vast needs the package {error.name}, which is not installed"
            raise ExtraMissingError(words, hint="pip install 'plexctl[vast]'") from error
        return sdk.VastAI(api_key=key.reveal(), server_url=base, retry=1, quiet=True)

    def user(self) -> dict[str, Any]:
        """Return the account."""
        found: dict[str, Any] = self._steady(pacing.USER, "get", "/api/v0/users/current")
        return found

    def search(self, body: Mapping[str, object]) -> list[dict[str, Any]]:
        """Return the asks that pass the filters."""
        return read_asks(self._steady(pacing.SEARCH, "post", BUNDLES, body).get("offers"))

    def rent(self, path: str, body: Mapping[str, object]) -> int:
        """Rent an ask, asked exactly once; returns the instance's id."""
        answer = self._once(pacing.CREATE, "put", path, body)
        contract = contract_in(answer)
        if contract is None:
            raise NoAnswer("it names no instance")
        return contract

    def labelled(self, label: str | None) -> list[Instance]:
        """Return the instances of that label, or all; page after page."""
        query: dict[str, object] = {
            "select_filters": {"label": {"eq": label}} if label else {},
            "order_by": [{"col": "id", "dir": "asc"}],
            "limit": _PAGE,
        }
        found: dict[int, Instance] = {}
        while True:
            page = self._steady(pacing.LIST, "get", INSTANCES, query)
            rows = read_instances(page.get("instances"))
            is_new = any(one.id not in found for one in rows)
            found |= {one.id: one for one in rows}
            token = page.get("next_token")
            # A page of nothing new would go on for ever.
            if not token or not is_new:
                return [one for one in found.values() if label in (None, one.label)]
            query["after_token"] = token

    def instance(self, number: int, *, most_age_s: float = 0.0) -> Instance | None:
        """Return one instance, or None when it is gone; what was said at most so long ago will do."""
        recent = self.pace.recall(number, most_age_s) if most_age_s else None
        if isinstance(recent, Instance):
            return recent
        try:
            answer = self._steady(pacing.SHOW, "get", _of(number), {"owner": "me"})
        except Refused as error:
            if not error.is_missing:
                raise
            answer = {"instances": None}
        if "instances" not in answer:
            raise NoAnswer("it says nothing of the instance")
        found = read_one(answer["instances"], number)
        self.pace.note(number, found)
        return found

    def order(self, number: int, state: str) -> None:
        """Set what an instance should be: `running` or `stopped`."""
        self._changes(number)
        self._steady(pacing.MANAGE, "put", _of(number), {"state": state})

    def restart(self, number: int) -> None:
        """Start an instance's container again, on the host that it is on."""
        self._changes(number)
        self._steady(pacing.MANAGE, "put", f"/api/v0/instances/reboot/{number}/", {})

    def destroy(self, number: int) -> None:
        """End an instance; gone already is fine."""
        self._changes(number)
        try:
            self._steady(pacing.DESTROY, "delete", _of(number), {})
        except Refused as error:
            if not error.is_missing:
                raise

    def log(self, number: int, tail: int) -> list[str]:
        """Return the last lines that an instance printed; none of one that is gone, or that has no log yet."""
        try:
            answer = self._steady(pacing.LOGS, "put", f"{LOGS}{number}/", {"tail": str(tail)})
        except Refused as error:
            if not error.is_missing:
                raise
            return []
        url = answer.get("result_url")
        return self._fetched(str(url)).splitlines() if url else []

    def certificate(self, number: int) -> str | None:
        """Return what `note_certificate` kept of an instance that was not started anew since."""
        found = self.pace.recall((number, _TLS), _CERTIFICATE_AGE_S)
        return found if isinstance(found, str) else None

    def note_certificate(self, number: int, told: str | None) -> None:
        """Keep what the log told of an instance's certificate."""
        self.pace.note((number, _TLS), told)

    def _changes(self, number: int) -> None:
        for key in (number, (number, _TLS)):
            self.pace.forget(key)

    def _fetched(self, url: str) -> str:
        """Return what a host puts at an address that only the two of them know, once it is there."""
        import requests

        if not is_private_way(url):
            raise NoAnswer("the log's address is not https")
        for poll in range(_LOG_POLLS):
            self.pace.sleep(_LOG_PAUSE_S if poll else 0)
            try:
                answer = requests.get(url, timeout=_LOG_LIMIT_S)
            except requests.RequestException:
                continue
            if answer.status_code == _OK:
                return answer.content.decode("utf-8", errors="replace")
            if answer.status_code not in _NOT_YET and answer.status_code < 500:  # noqa: PLR2004 - the server's faults
                break
        raise NoAnswer("the host did not hand its log over")

    def _steady(self, kind: str, verb: str, path: str, value: Mapping[str, object] | None = None) -> dict[str, Any]:
        """Ask for what may be asked twice: again after a silence, a failure of Vast's, or too much haste."""
        for attempt in range(_TRIES - 1):
            try:
                return self._once(kind, verb, path, value)
            except NoAnswer:
                self.pace.sleep(_FIRST_PAUSE_S * 2**attempt)
            except Refused as error:
                if error.is_too_soon:
                    self.back_off(kind, error, attempt)
                elif error.is_unclear:
                    self.pace.sleep(_FIRST_PAUSE_S * 2**attempt)
                else:
                    raise
        return self._once(kind, verb, path, value)

    def back_off(self, kind: str, error: Refused, attempt: int) -> None:
        """Let the next request of that kind wait. Raises the refusal when Vast asks for more than a minute.

        Where Vast does not say how long, it is the kind's own interval, and longer each time: another process of the
        same account may be at work. A create has its penalty on top.
        """
        most, interval_s = pacing.ALLOWED[kind]
        guessed_s = pacing.PENALTY_S if kind == pacing.CREATE else interval_s / most * 2**attempt
        seconds = guessed_s if error.retry_after_s is None else error.retry_after_s
        if seconds > pacing.LONGEST_WAIT_S:
            raise error
        self.pace.hold_off(kind, seconds)

    def _once(self, kind: str, verb: str, path: str, value: Mapping[str, object] | None = None) -> dict[str, Any]:
        """Ask, in turn. Raises Refused with Vast's words, NoAnswer when nobody knows what it did."""
        ask: Callable[..., Any] = getattr(self._sdk.client, verb)
        named = "query_args" if verb == "get" else "json_data"
        import requests

        self.pace.turn(kind)
        try:
            answer = ask(path, timeout=_LIMIT_S, **({named: dict(value)} if value is not None else {}))
        except requests.RequestException as error:
            raise NoAnswer(self._blotted(type(error).__name__)) from None
        finally:
            self.pace.answered(kind)
        try:
            body = answer.json()
        except ValueError:
            body = None
        if not answer.ok or (isinstance(body, dict) and body.get("success") is False):
            raise read_refusal(answer.status_code, body or answer.text, answer.headers, self._blotted)
        if not isinstance(body, dict):
            raise NoAnswer("its answer is no JSON object")
        return body

    def _blotted(self, text: str) -> str:
        """Return a text without the key and the deployment's secrets: Vast echoes environments."""
        for secret in (self._key, *self._hidden):
            if secret:
                text = text.replace(json.dumps(secret.reveal())[1:-1], "***").replace(secret.reveal(), "***")
        return text


def _of(number: int) -> str:
    return f"/api/v0/instances/{number}/"

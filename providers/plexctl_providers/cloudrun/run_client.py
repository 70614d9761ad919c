"""Cloud Run's services and their operations, by Google's own client (google-cloud-run) over REST.

The client is told to repeat nothing (`retry=None`): a create must not be sent twice blindly, and its own rules do not
wait as Retry-After says. Every call has a time limit, and operations are polled by our own clock. Bodies go in and come
out as the JSON of the v2 API; on their way the client leaves out what is false, 0 or empty, which Google reads back as
just that, and sends enumerations by number.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

from plexctl.errors import ExtraMissingError, PlexError, ProviderError
from plexctl_providers.cloudrun.answers import Json, finished, json_in, no_answers, required
from plexctl_providers.cloudrun.errors import NO_ANSWER, error_of, is_absent, is_disabled, is_limited, is_lost

T = TypeVar("T")
_TIMEOUT_S = 60.0
_TRIES, _TRIES_UNHEARD = 5, 3
"""How often one thing is asked: where Google answers, and where nobody does."""
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.25, 120.0
_WITH_CONDITIONS = 3
"""The version in which a policy shows its conditions."""


class Services:
    """Cloud Run's services. Raises the errors of `errors.error_of`, and ExtraMissingError where the client is too old.

    `credentials` are google-auth's; `emulator` is the address of one, in the place of Google's; `note_change` is told
    of each call that is to change something.
    """

    def __init__(self, credentials: Any, emulator: str | None, note_change: Callable[[], None]) -> None:
        from google.cloud.run_v2 import ServicesClient

        endpoint = {} if emulator is None else {"api_endpoint": emulator}
        client = ServicesClient(credentials=credentials, transport="rest", client_options=endpoint)
        self._client: Any = client if emulator is None else _without_proxies(client)
        self._note_change = note_change

    def get(self, name: str) -> Json | None:
        """Return a service; None when it is not there, nor when the API is off."""
        action = f"read {name}"
        found = _if_there(lambda: self._ask(action, self._client.get_service, name=name))
        return None if found is None else required(_json_of(type(found).pb(found)), "name", action)

    def every(self, parent: str) -> Iterator[Json]:
        """Yield the services of `projects/P/locations/R`, page by page; none when the API is off."""
        action, token = f"read {parent}/services", ""
        while True:
            pager = _if_there(partial(self._ask, action, self._client.list_services, parent=parent, page_token=token))
            page = next(iter(pager.pages), None) if pager is not None else None
            if page is None:
                return
            yield from (_json_of(type(one).pb(one)) for one in page.services)
            token = page.next_page_token
            if not token:
                return

    def create(self, parent: str, service_id: str, body: Json) -> None:
        """Ask for a service, once; its condition says what becomes of it. Whoever calls looks after a lost answer."""
        request = {"parent": parent, "service_id": service_id, "service": message_of(body)}
        self._change(f"make {parent}/services/{service_id}", self._client.create_service, is_safe=False, **request)

    def update(self, body: Json, fields: Sequence[str]) -> None:
        """Change these fields of the service that `body` names, to what it says of them."""
        request = {"service": message_of(body), "update_mask": {"paths": list(fields)}}
        self._change(f"change {body['name']}", self._client.update_service, **request)

    def delete(self, name: str) -> None:
        """Delete a service, and wait until Google says that this is done."""
        action = f"delete {name}"
        begun = self._change(action, self._client.delete_service, name=name)

        def look(operation: str) -> Json:
            return _operation_json(self._ask(f"read {operation}", self._client.get_operation, name=operation))

        finished(_operation_json(begun.operation), look, action)

    def policy(self, name: str) -> Json | None:
        """Return who may use a service, with conditions; None when it is not there."""
        options = {"requested_policy_version": _WITH_CONDITIONS}
        ask = partial(self._ask, f"read {name}:getIamPolicy", self._client.get_iam_policy)
        found = _if_there(lambda: ask(resource=name, options=options))
        return None if found is None else _json_of(found)

    def set_policy(self, name: str, policy: Json) -> None:
        """Write who may use a service, with the etag that it was read with."""
        from google.iam.v1.policy_pb2 import Policy
        from google.protobuf.json_format import ParseDict

        request = {"resource": name, "policy": ParseDict(policy, Policy())}
        self._change(f"make {name}:setIamPolicy", self._client.set_iam_policy, is_safe=False, **request)

    def _change(self, action: str, method: Callable[..., T], *, is_safe: bool = True, **request: object) -> T:
        self._note_change()
        return self._ask(action, method, is_safe=is_safe, **request)

    def _ask(self, action: str, method: Callable[..., T], *, is_safe: bool = True, **request: object) -> T:
        """Ask until there is an answer; what may have been done, only if twice is once (`is_safe`)."""
        tries = 0
        while True:
            tries += 1
            try:
                with _in_our_words(action):
                    return method(request=request, retry=None, timeout=_TIMEOUT_S)
            except PlexError as error:
                most = _TRIES if _was_answered(error) else _TRIES_UNHEARD
                if tries >= most or not (is_limited(error) or (is_safe and is_lost(error))):
                    raise
                time.sleep(_pause_s(error.__cause__, tries))


def _without_proxies(client: Any) -> Any:
    """Return the client with a session that leaves proxies alone: the user's would take the loopback for its own.

    The client has no public switch for that.
    """
    client.transport._session.trust_env = False  # noqa: SLF001 - as said
    return client


def message_of(body: Json) -> Any:
    """Return the client's Service for the JSON of one; no key may be unknown to it."""
    from google.cloud.run_v2 import Service
    from google.protobuf.json_format import ParseError

    try:
        return Service.from_json(json.dumps(body), ignore_unknown_fields=False)
    except ParseError as error:
        words = f"the installed google-cloud-run does not know what is to be sent: {error}"
        raise ExtraMissingError(words, hint="pip install --upgrade 'plexctl[cloudrun]'") from error


def _if_there(ask: Callable[[], T]) -> T | None:
    try:
        return ask()
    except PlexError as error:
        if is_absent(error) or is_disabled(error):
            return None
        raise


@contextmanager
def _in_our_words(action: str) -> Iterator[None]:
    """Raise plexctl's error for whatever the client raises."""
    from google.api_core.exceptions import GoogleAPICallError, GoogleAPIError
    from google.protobuf.json_format import ParseError

    try:
        with no_answers(action):
            yield
    except GoogleAPICallError as error:
        answer = getattr(error, "response", None)
        told = {"error": {"message": error.message}} if answer is None else json_in(answer.content)
        code = int(error.code or 500) if answer is None else answer.status_code
        raise error_of(action, code, told) from error
    except (GoogleAPIError, ParseError, TypeError) as error:  # TypeError: an operation's response of another kind
        words = f"cannot {action}: the answer is not what Google describes ({type(error).__name__})"
        raise ProviderError(words, hint="try again", data={"http": NO_ANSWER}) from error


def _was_answered(error: PlexError) -> bool:
    return not (isinstance(error.data, dict) and error.data.get("http") == NO_ANSWER)


def _pause_s(cause: BaseException | None, tries: int) -> float:
    """Return how long to wait: as Retry-After says, else ever longer."""
    from urllib3.exceptions import InvalidHeader
    from urllib3.util.retry import Retry

    told = getattr(getattr(cause, "response", None), "headers", {}).get("Retry-After")
    try:
        wait_s = Retry().parse_retry_after(told) if told else _FIRST_WAIT_S * 2 ** (tries - 1)
    except InvalidHeader:
        wait_s = _FIRST_WAIT_S
    return min(wait_s, _LONGEST_WAIT_S)


def _operation_json(operation: Any) -> Json:
    """Return an operation as JSON, without what it was about: that is read back."""
    failed = {"error": {"code": operation.error.code, "message": operation.error.message}}
    return {"name": operation.name, "done": operation.done, **(failed if operation.HasField("error") else {})}


def _json_of(message: Any) -> Json:
    from google.protobuf.json_format import MessageToDict

    found: Json = MessageToDict(message, preserving_proto_field_name=False)
    return found

"""Who may come in: OVHcloud's signature of each request, or an OAuth2 token; and who asks for a consumer key."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Answer = tuple[int, Any]
APPLICATION, SECRET, CONSUMER = "application-of-the-loopback", "secret-of-the-loopback", "consumer-of-the-loopback"
CLIENT, CLIENT_SECRET = "EU.client-of-the-loopback", "client-secret-of-the-loopback"
_TOLERANCE_S = 30


def problem(status: int, message: str, code: str = "") -> Answer:
    """Return an error as OVHcloud words it."""
    body = {"class": f"Client::{'NotFound' if status == 404 else 'BadRequest'}", "message": message}
    return status, body | ({"errorCode": code} if code else {})


@dataclass
class Door:
    """Checks requests. `consumers` is consumer key to its state: validated, expired, pendingValidation."""

    consumers: dict[str, str] = field(default_factory=lambda: {CONSUMER: "validated"})
    rules: list[tuple[str, str]] | None = None
    """Method and path prefix that the consumer key grants; None: all."""
    skew_s: float = 0.0
    """How far this server's clock is ahead of everybody else's."""
    lie_s: float = 0.0
    """How far `/auth/time` is off the clock that signatures are held against."""
    tokens: dict[str, float] = field(default_factory=dict)
    """OAuth2 token to the moment at which it ends."""
    token_lasts_s: float = 3600.0
    signed: int = 0
    """Requests whose signature was right."""

    def time(self) -> int:
        """Return what `/auth/time` says."""
        return int(time.time() + self.skew_s + self.lie_s)

    def refusal(self, request: web.Request, body: str) -> Answer | None:
        """Return why a request may not come in; None when it may."""
        bearer = request.headers.get("Authorization", "")
        if bearer:
            is_good = self.tokens.get(bearer.removeprefix("Bearer "), 0.0) > time.time()
            return None if is_good else (401, {"class": "Client::Unauthorized", "message": "token expired"})
        if request.headers.get("X-Ovh-Application") != APPLICATION:
            return problem(403, "This application key is invalid", "INVALID_KEY")
        return self._of_the_signature(request, body) or self._of_the_consumer(request)

    def credential(self, request: web.Request, body: dict[str, Any]) -> Answer:
        """`POST /auth/credential`: a key that counts once its owner has confirmed it."""
        if request.headers.get("X-Ovh-Application") != APPLICATION:
            return problem(403, "This application key is invalid", "INVALID_KEY")
        assert all(set(rule) == {"method", "path"} for rule in body["accessRules"])
        key = f"consumer-{len(self.consumers)}"
        self.consumers[key] = "pendingValidation"
        where = f"http://{request.host}/auth/?credentialToken={key}"
        return 200, {"validationUrl": where, "consumerKey": key, "state": "pendingValidation"}

    def token(self, request: web.Request, form: dict[str, str]) -> Answer:
        """`POST /auth/oauth2/token`, by HTTP Basic as RFC 6749 has it."""
        given = request.headers.get("Authorization", "").removeprefix("Basic ")
        if form.get("grant_type") != "client_credentials" or form.get("scope") != "all":
            return 400, {"error": "invalid_request"}
        if given != base64.b64encode(f"{CLIENT}:{CLIENT_SECRET}".encode()).decode():
            return 401, {"error": "invalid_client", "error_description": "client authentication failed"}
        token = f"token-{len(self.tokens)}"
        self.tokens[token] = time.time() + self.token_lasts_s
        return 200, {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": int(self.token_lasts_s),
            "scope": "all",
        }

    def _of_the_signature(self, request: web.Request, body: str) -> Answer | None:
        stamp, consumer = request.headers.get("X-Ovh-Timestamp", ""), request.headers.get("X-Ovh-Consumer", "")
        if not stamp.isdigit() or abs(int(stamp) - time.time() - self.skew_s) > _TOLERANCE_S:
            return problem(400, "Query out of time", "QUERY_TIME_OUT")
        url = f"http://{request.host}{request.raw_path}"
        text = f"{SECRET}+{consumer}+{request.method}+{url}+{body}+{stamp}"
        wanted = f"$1${hashlib.sha1(text.encode()).hexdigest()}"  # noqa: S324 - OVHcloud's
        if not hmac.compare_digest(wanted, request.headers.get("X-Ovh-Signature", "")):
            return problem(400, "Invalid signature", "INVALID_SIGNATURE")
        self.signed += 1
        return None

    def _of_the_consumer(self, request: web.Request) -> Answer | None:
        state = self.consumers.get(request.headers.get("X-Ovh-Consumer", ""))
        if state is None:
            return problem(403, "This credential does not exist", "NOT_CREDENTIAL")
        if state != "validated":
            return problem(403, "This credential is not valid", "INVALID_CREDENTIAL")
        path = request.path.removeprefix("/1.0")
        if self.rules is None or any(request.method == verb and path.startswith(one) for verb, one in self.rules):
            return None
        return problem(403, "This call has not been granted", "NOT_GRANTED_CALL")

"""Reads a checkpoint's header from the Hub: a few tens of kilobytes of a file of gigabytes, by HTTP ranges.

huggingface_hub gives the URL, the headers and the session; this module never reads past the header, also when a server
ignores ranges. Why a repository cannot be read is `plexctl check-license`'s to tell apart: here it is one line.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from plexctl.errors import ConfigurationError, CredentialsError, LicenceError, PlexError, ProviderError
from plexctl.gpus.checkpoint import LENGTH_BYTES, Checkpoint, checkpoint_from_header, header_length
from plexctl.secret import Secret

WEIGHTS = "model.safetensors"
"""The one file that upstream's server loads (`MOSHI_NAME` in moshi/models/loaders.py at 3428dfd)."""
FIRST_BYTES = 64 << 10
"""Read at first: the header of the 7B model has 56,200 bytes, so that one request is enough."""
_MAX_CONFIG_BYTES = 1 << 20
_TIMEOUT_S = 10.0
"""For a connection, and for each part of an answer."""
_LIMIT_S = 30.0
"""For one answer in all."""
_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _BAD = 401, 403, 404, 400
_PARTIAL, _OK = 206, 200


@dataclass(frozen=True, slots=True)
class _Place:
    """One revision of a repository, and with whose token it is read."""

    repo: str
    revision: str | None
    token: Secret | None
    endpoint: str | None

    def read(self, file: str, first: int, end: int) -> bytes:
        """Return the bytes from `first` up to and without `end`, fewer where the file ends before.

        Raises the error that `_refused` or `_unreachable` make of what went wrong.
        """
        from huggingface_hub import get_session, hf_hub_url
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError
        from huggingface_hub.utils._headers import build_hf_headers

        # What a transport raises has this base in each release of huggingface_hub, whichever HTTP library it uses.
        http_error: type[Exception] = HfHubHTTPError.__mro__[1]
        try:
            url = hf_hub_url(self.repo, file, revision=self.revision, endpoint=self.endpoint)
            headers = build_hf_headers(token=self.token.reveal() if self.token else False)
            headers |= {"Range": f"bytes={first}-{end - 1}", "Accept-Encoding": "identity"}
            with get_session().stream("GET", url, headers=headers, timeout=_TIMEOUT_S) as answer:
                if answer.status_code >= _BAD:
                    raise self._refused(file, answer.status_code, answer.headers)
                skip = 0 if answer.status_code == _PARTIAL else first
                return self._body(answer, skip, end - first)
        except HFValidationError as error:
            words = f"{self.repo!r} is no name of a repository"
            raise ConfigurationError(words, hint="name it as owner/name") from error
        except (http_error, OSError) as error:
            raise self._unreachable(type(error).__name__) from error

    def _body(self, answer: Any, skip: int, wanted: int) -> bytes:
        deadline = time.monotonic() + _LIMIT_S
        body = b""
        for part in answer.iter_raw(FIRST_BYTES):
            body += part
            if len(body) >= skip + wanted:
                break
            if time.monotonic() > deadline:
                raise self._unreachable(f"no whole answer in {_LIMIT_S:.0f} s")
        return body[skip : skip + wanted]

    def _refused(self, file: str, status: int, headers: Mapping[str, str]) -> PlexError:
        """Return the error for a status and the Hub's own code beside it."""
        code = headers.get("X-Error-Code", "")
        hint = f"plexctl check-license --repo {self.repo} says why"
        if code == "GatedRepo" or status == _FORBIDDEN:
            return LicenceError(f"{self.repo} may not be read with this token", hint=hint)
        if status == _UNAUTHORIZED:
            return CredentialsError(f"the Hub refused the token for {self.repo}, or it is private", hint=hint)
        if status == _NOT_FOUND:
            where = f" at {self.revision}" if self.revision else ""
            return _MissingError(f"{self.repo} has no {file}{where}", hint=hint)
        return ProviderError(f"the Hub answered {status} for {file} of {self.repo}", hint=hint)

    def _unreachable(self, why: str) -> ProviderError:
        return ProviderError(f"the Hub cannot be read: {why}", hint="check the network, or HF_ENDPOINT")


class _MissingError(ConfigurationError):
    """There is no such file, revision or repository."""


def read_checkpoint(
    repo: str, revision: str | None = None, token: Secret | None = None, *, endpoint: str | None = None
) -> Checkpoint:
    """Return what a repository's checkpoint weighs; blocks for one or two requests, each of at most 30 s.

    `endpoint` None means the Hub's, or HF_ENDPOINT as it was when huggingface_hub was loaded.
    Raises ConfigurationError for what is no checkpoint or not there, LicenceError, CredentialsError, ProviderError.
    """
    place = _Place(repo, revision, token, endpoint)
    first = place.read(WEIGHTS, 0, FIRST_BYTES)
    end = LENGTH_BYTES + header_length(first)
    if end > len(first) == FIRST_BYTES:
        first += place.read(WEIGHTS, len(first), end)
    return checkpoint_from_header(
        first[:end], _config(place), f"{WEIGHTS} of {repo}{f'@{revision}' if revision else ''}"
    )


def _config(place: _Place) -> Mapping[str, object]:
    """Return the model's config.json; empty where there is none."""
    try:
        parsed = json.loads(place.read("config.json", 0, _MAX_CONFIG_BYTES))
    except _MissingError:
        return {}
    except (ValueError, RecursionError):
        raise ConfigurationError(f"config.json of {place.repo} is no JSON", hint="name another revision") from None
    return parsed if isinstance(parsed, dict) else {}

"""Where the Hub's token is found: a file that was named, the environment, `.env` files, or the stored login."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from plexctl.errors import ConfigurationError, CredentialsError
from plexctl.licence.dotenv import read_dotenv
from plexctl.licence.errors import TokenInvalidError
from plexctl.licence.states import TOKENS_PAGE
from plexctl.secret import Secret
from plexctl.side_by_side import ask_until

VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HUGGINGFACE_API_KEY")
"""In the order in which they count."""
STORED_LOGIN = "stored login"
_STORED_S = 4.0


@dataclass(frozen=True, slots=True)
class Token:
    """A token and where it came from."""

    value: Secret
    source: str


def find_token(environ: Mapping[str, str], file: Secret | None = None, env_files: Iterable[Path] = ()) -> Token | None:
    """Return the first token: `file`, then the environment, then the files (the last one first), then the login.

    Raises ConfigurationError for a file that cannot be read, TokenInvalidError for what no header can carry.
    """
    if file is not None:
        return _token(file.reveal(), "--hf-token-file")
    # Read all of them first: a wrong name is an error even where another source has the token.
    texts = [(path, read_dotenv(path)) for path in env_files]
    places = [(environ, "{name}"), *((variables, f"{path}: {{name}}") for path, variables in reversed(texts))]
    for variables, source in places:
        for name in VARIABLES:
            value = variables.get(name, "").strip()
            if value:
                return _token(value, source.replace("{name}", name))
    stored = stored_login()
    return _token(stored, STORED_LOGIN) if stored else None


def stored_login() -> str | None:
    """Return the token of `hf auth login` (or of a CI's OIDC exchange), if there is one.

    Asked last, so that none of the variables that huggingface_hub reads itself is set.
    """
    from huggingface_hub import get_token

    outcome = ask_until({STORED_LOGIN: get_token}, _STORED_S).get(STORED_LOGIN)
    if isinstance(outcome, OSError) and not hasattr(outcome, "response"):
        words = f"cannot read the stored login: {outcome.strerror or type(outcome).__name__}"
        raise ConfigurationError(words, hint="`hf auth login` writes it anew; HF_TOKEN goes before it")
    if isinstance(outcome, UnicodeDecodeError):
        raise ConfigurationError("the stored login is not text", hint="`hf auth login` writes it anew")
    if isinstance(outcome, Exception):
        words = f"huggingface_hub cannot make a token of the stored login ({type(outcome).__name__})"
        raise CredentialsError(words, hint=f"`hf auth login` renews it; HF_TOKEN goes before it; {TOKENS_PAGE}")
    return outcome if isinstance(outcome, str) else None


def _token(value: str, source: str) -> Token:
    stripped = value.strip()
    if not stripped.isascii() or not stripped.isprintable() or " " in stripped or not stripped:
        words = f"what {source} holds is no token: it has characters that no header carries"
        raise TokenInvalidError(words, hint=f"copy the token again from {TOKENS_PAGE}")
    return Token(Secret(stripped), source)

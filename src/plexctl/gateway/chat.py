"""How a caller gets a conversation: parameters checked, a place taken, the engine reached, and only then upgraded.

Everything a caller sends is judged before a place is taken, because upstream writes voice and prompt into shared
state the moment it is asked: the engine sees exactly one caller's words at a time. `seed` never reaches it
(upstream's server dies of it).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote_plus

from plexctl.gateway.settings import MAX_PROMPT_CHARACTERS

MAX_ENCODED_PROMPT = 7_800
"""Characters of a prompt in a URL: upstream's aiohttp refuses request lines over 8,190. A thousand letters of
most alphabets fit; of Chinese or emoji about 860 or 650 do."""


class ParameterError(ValueError):
    """A caller's parameter cannot be used; the text says which and why."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a caller asks for, checked."""

    voice: str
    text_prompt: str
    has_seed: bool


def read_wish(query: Mapping[str, Sequence[str]], voices: Sequence[str], *, voice: str, text_prompt: str) -> Wish:
    """Return the wish in a query; `voice` and `text_prompt` stand in for what is missing. Raises ParameterError."""
    wished_voice = _single(query, "voice_prompt", voice)
    if wished_voice not in voices:
        raise ParameterError(f"voice_prompt: no such voice; GET /voices lists the {len(voices)} there are")
    prompt = _single(query, "text_prompt", text_prompt)
    if not prompt.strip():
        raise ParameterError("text_prompt: empty; leave it out for the default")
    if len(prompt) > MAX_PROMPT_CHARACTERS:
        raise ParameterError(f"text_prompt: over {MAX_PROMPT_CHARACTERS} characters")
    if len(quote_plus(prompt)) > MAX_ENCODED_PROMPT:
        raise ParameterError("text_prompt: too long once encoded for the engine's address; shorten it")
    if not prompt.isprintable() and any(ord(letter) < ord(" ") and letter not in "\n\r\t" for letter in prompt):
        raise ParameterError("text_prompt: control characters")
    return Wish(wished_voice, prompt, "seed" in query)


def _single(query: Mapping[str, Sequence[str]], name: str, default: str) -> str:
    values = query.get(name, ())
    if len(values) > 1:
        raise ParameterError(f"{name}: given {len(values)} times")
    return values[0] if values else default

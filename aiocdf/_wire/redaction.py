"""Removes secrets from foreign texts, which may repeat what the client sent."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, quote_plus

from aiocdf.errors import AiocdfError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from aiocdf.secret import Secret

__all__ = ["redact", "redact_error"]

_STARS = "***"
#: Lengths in characters: a shorter value is not treated as a secret, and a part of this length is redacted like the
#: whole.
_SHORTEST, _PART = 4, 12
# RFC 7519 section 3: its header is a JSON object in base64, which begins with these characters.
_JWT = re.compile(r"eyJ[\w-]{8,}(?:\.[\w-]*)+", re.ASCII)

_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}

E = TypeVar("E", bound=AiocdfError)


def redact(text: str, secrets: Iterable[Secret]) -> str:
    """Return *text* with stars instead of each secret, each long part of one, and everything that looks like a JWT.

    A secret is found in plain form, and in the encodings that requests and answers use.

    Args:
        text: Foreign text, or an error that quotes it.
        secrets: The secrets to remove.
    """
    return _JWT.sub(
        _STARS, _without(text, {form.translate(_LOWER) for secret in secrets for form in _forms(secret.reveal())})
    )


def redact_error(error: E, secrets: Iterable[Secret]) -> E:
    """Remove secrets from the message and the attributes of *error*, and return it."""
    known = tuple(secrets)
    error.args = tuple(_redacted(value, known) for value in error.args)
    for name, value in vars(error).items():
        setattr(error, name, _redacted(value, known))
    return error


def _redacted(value: Any, secrets: tuple[Secret, ...]) -> Any:
    """Remove secrets from each text in a JSON value."""
    match value:
        case str():
            return redact(value, secrets)
        case Mapping():
            return {_redacted(key, secrets): _redacted(item, secrets) for key, item in value.items()}
        case list() | tuple():
            return type(value)(_redacted(item, secrets) for item in value)
        case _:
            return value


def _forms(secret: str) -> Iterator[str]:
    """Yield the encodings of a secret."""
    if len(secret) < _SHORTEST:
        return
    for form in (secret, " ".join(secret.split())):
        yield from (form, html.escape(form), json.dumps(form)[1:-1], repr(form)[1:-1])
        yield from (quote(form, safe=""), quote(form), quote_plus(form))
        yield base64.b64encode(form.encode(errors="replace")).decode("ascii")


def _without(text: str, forms: set[str]) -> str:
    """Replace each form, and each long part of one, with stars."""
    lowered = text.translate(_LOWER)  # percent-encoding comes in both cases
    hidden = bytearray(len(text))
    parts = "\n".join(form for form in forms if len(form) >= _PART)
    for start in range(len(text) - _PART + 1):
        if lowered[start : start + _PART] in parts:
            hidden[start : start + _PART] = b"\1" * _PART
    for form in forms:
        if len(form) < _PART:
            for found in re.finditer(re.escape(form), lowered):
                hidden[found.start() : found.end()] = b"\1" * len(form)
    marked = "".join("\0" if mark else letter for letter, mark in zip(text, hidden, strict=True))
    return re.sub("\0+", _STARS, marked)

"""Checks and conversions of the arguments that users give to credentials.

Checked values can be encoded and sent: a request that fails while it is built would have secrets in the locals of the
traceback. No check quotes a value, because it may be a secret in the wrong place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from aiocdf.errors import ConfigError

__all__ = [
    "as_mapping",
    "check_client_id",
    "check_extra",
    "check_key_header",
    "check_targets",
    "is_text",
    "shown_function",
    "split_names",
]

_SURROGATES = re.compile("[\ud800-\udfff]")
#: The fields that the header of a client assertion may have besides the algorithm (RFC 7515 section 4.1).
_KEY_HEADER = frozenset({"kid", "typ", "x5t", "x5t#S256"})


def split_names(names: str | Iterable[str] | None) -> tuple[str, ...]:
    """Return names from an iterable, or from a text with spaces or commas; a later check rejects anything else."""
    if isinstance(names, str):
        return tuple(re.findall(r"[^\s,]+", names))
    odd: Any = names
    return tuple(names or ()) if isinstance(names, Iterable | None) and not isinstance(names, bytes) else (odd,)


def as_mapping(given: Mapping[str, Any] | None, *, what: str) -> dict[str, Any]:
    """Return a copy of a mapping, or an empty one for None.

    Raises:
        ConfigError: It is not a mapping.
    """
    if not isinstance(given, Mapping | None):
        raise ConfigError(f"{what} must be a mapping of names to texts, not {type(given).__name__}.")
    return dict(given or {})


def is_text(value: object) -> bool:
    """Return whether it is text that can be sent: undecodable bytes in the environment become surrogates."""
    return isinstance(value, str) and value != "" and not _SURROGATES.search(value)


def check_client_id(client_id: str) -> None:
    """Reject an invalid application id.

    Raises:
        ConfigError: It is empty, or not text.
    """
    if not is_text(client_id):
        raise ConfigError("client_id is empty or not text. Give the id of an application at the identity provider.")


def check_targets(*, scopes: tuple[str, ...], audience: str | None, resource: tuple[str, ...]) -> None:
    """Reject scopes, audience and resource that are not valid text.

    Raises:
        ConfigError: One of them is not text, or has an item that is not.
    """
    for what, names in {"scopes": scopes, "resource": resource}.items():
        if not all(map(is_text, names)):
            raise ConfigError(f"{what} must be one text or a list of texts, and none may be empty.")
    if audience is not None and audience != "" and not is_text(audience):
        raise ConfigError("audience is not text.")


def check_extra(texts: Mapping[str, str], *, own: frozenset[str]) -> None:
    """Reject extra fields of a request that are not valid text, or that have their own argument.

    Raises:
        ConfigError: A field is not valid.
    """
    if not all(map(is_text, texts)):
        raise ConfigError("extra has a name that is empty or not text.")
    if taken := sorted(own.intersection(texts)):
        raise ConfigError(f"extra must not set {', '.join(taken)}: use the argument for it.")
    if wrong := sorted(name for name, text in texts.items() if not is_text(text)):
        raise ConfigError(f"extra sets {', '.join(wrong)} to a value that is empty or not text.")


def check_key_header(header: Mapping[str, str]) -> None:
    """Reject invalid fields of the header of a client assertion.

    Raises:
        ConfigError: A name is not known, or a value is empty or not text.
    """
    if not header.keys() <= _KEY_HEADER:
        raise ConfigError(f"key_header may only set {', '.join(sorted(_KEY_HEADER))}.")
    if wrong := sorted(name for name, text in header.items() if not is_text(text)):
        raise ConfigError(f"key_header sets {', '.join(wrong)} to a value that is empty or not text.")


def shown_function(function: object) -> str:
    """Return the name of a function or of its class: its repr may hold secrets."""
    return str(getattr(function, "__name__", type(function).__name__))

"""Checks and conversions of the arguments that users give to credentials.

What passes can be encoded and sent: a request that fails while it is built would have its secrets in the locals of the
traceback. No check quotes a value, which may be a secret in the wrong place.
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
#: What the header of a client assertion may say of its key (RFC 7515 section 4.1) beside the algorithm.
_KEY_HEADER = frozenset({"kid", "typ", "x5t", "x5t#S256"})


def split_names(names: str | Iterable[str] | None) -> tuple[str, ...]:
    """Take names from an iterable, or from a text that parts them by spaces or commas; what is neither, a check refuses."""
    if isinstance(names, str):
        return tuple(re.findall(r"[^\s,]+", names))
    odd: Any = names
    return tuple(names or ()) if isinstance(names, Iterable | None) and not isinstance(names, bytes) else (odd,)


def as_mapping(given: Mapping[str, Any] | None, *, what: str) -> dict[str, Any]:
    """Return a copy of a mapping, or an empty one for None.

    Raises:
        ConfigError: It is something else.
    """
    if not isinstance(given, Mapping | None):
        raise ConfigError(f"{what} must be a mapping of names to texts, not {type(given).__name__}.")
    return dict(given or {})


def is_text(value: object) -> bool:
    """Tell whether it is text that can be sent: undecodable bytes in the environment become surrogates."""
    return isinstance(value, str) and value != "" and not _SURROGATES.search(value)


def check_client_id(client_id: str) -> None:
    """Refuse what cannot be an application's id.

    Raises:
        ConfigError: It is empty, or not text.
    """
    if not is_text(client_id):
        raise ConfigError("client_id is empty or not text. Give the id of an application at the identity provider.")


def check_targets(*, scopes: tuple[str, ...], audience: str | None, resource: tuple[str, ...]) -> None:
    """Refuse scopes, audience and resource that cannot be sent.

    Raises:
        ConfigError: One of them is not text, or holds something that is not.
    """
    for what, names in {"scopes": scopes, "resource": resource}.items():
        if not all(map(is_text, names)):
            raise ConfigError(f"{what} must be texts, of which none is empty: give one text, or a list of texts.")
    if audience is not None and audience != "" and not is_text(audience):
        raise ConfigError("audience is not text.")


def check_extra(texts: Mapping[str, str], *, own: frozenset[str]) -> None:
    """Refuse further fields of a request that cannot be sent, or have an argument of their own.

    Raises:
        ConfigError: There is one among *texts*.
    """
    if not all(map(is_text, texts)):
        raise ConfigError("extra has a name that is empty or not text.")
    if taken := sorted(own.intersection(texts)):
        raise ConfigError(f"extra must not set {', '.join(taken)}: use the argument of that meaning.")
    if wrong := sorted(name for name, text in texts.items() if not is_text(text)):
        raise ConfigError(f"extra sets {', '.join(wrong)} to what is empty or not text.")


def check_key_header(header: Mapping[str, str]) -> None:
    """Refuse what cannot stand in the header of a client assertion.

    Raises:
        ConfigError: A name is not known, or a value is empty or not text.
    """
    if not header.keys() <= _KEY_HEADER:
        raise ConfigError(f"key_header may only set {', '.join(sorted(_KEY_HEADER))}.")
    if wrong := sorted(name for name, text in header.items() if not is_text(text)):
        raise ConfigError(f"key_header sets {', '.join(wrong)} to what is empty or not text.")


def shown_function(function: object) -> str:
    """Return the name of a function or of its class: its repr may hold what it was made with."""
    return str(getattr(function, "__name__", type(function).__name__))

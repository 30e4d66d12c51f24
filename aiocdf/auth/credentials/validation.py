"""Checks and conversions of the arguments that users give to credentials."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from aiocdf.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["check_client_id", "check_extra", "is_text", "split_names"]

_SURROGATES = re.compile("[\ud800-\udfff]")


def split_names(names: str | Iterable[str] | None) -> tuple[str, ...]:
    """Take names from an iterable, or from a text that parts them by spaces or commas."""
    return tuple(re.findall(r"[^\s,]+", names)) if isinstance(names, str) else tuple(names or ())


def is_text(value: object) -> bool:
    """Tell whether it is text that can be sent: undecodable bytes in the environment become surrogates."""
    return isinstance(value, str) and value != "" and not _SURROGATES.search(value)


def check_client_id(client_id: str) -> None:
    """Refuse what can be nobody's id.

    Raises:
        ConfigError: It is empty, or not text.
    """
    if not is_text(client_id):
        raise ConfigError("client_id is empty or not text. Give the id of an application at the identity provider.")


def check_extra(names: Iterable[str], *, own: frozenset[str]) -> None:
    """Refuse further fields of a request that have a meaning of their own.

    Raises:
        ConfigError: There are some among *names*.
    """
    if taken := sorted(own.intersection(names)):
        raise ConfigError(f"extra must not set {', '.join(taken)}: use the argument of that meaning.")

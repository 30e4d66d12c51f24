"""The limits of the local server, as options of the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from aiocdf.errors import ConfigError
from aiocdf.local import Limits

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["changed_limits", "shown_limits"]

_NAMES = tuple(field.name for field in attrs.fields(Limits))
#: Those that are shown if they are as the service has them.
_ALWAYS = ("calls_per_function", "calls_per_project", "data_bytes", "response_bytes")


def changed_limits(limits: Limits, settings: Iterable[str]) -> Limits:
    """Return limits with some of them changed.

    Args:
        limits: What they are before.
        settings: Changes such as `calls-per-function=10`.

    Raises:
        ConfigError: The limit is unknown, or the value is not valid.
    """
    changes: dict[str, Any] = {}
    for setting in settings:
        name, separator, value = setting.partition("=")
        if not separator:
            raise ConfigError(f"a limit is given as NAME=VALUE, such as calls-per-function=10, not as {setting!r}")
        field = name.replace("-", "_")
        if field not in _NAMES:
            raise ConfigError(f"unknown limit {name!r}; known are {', '.join(map(_option, _NAMES))}")
        changes[field] = _value(value)
    return attrs.evolve(limits, **changes)


def shown_limits(limits: Limits) -> str:
    """Return the most important limits, and those that are not as the service has them, as options would set them."""
    usual = Limits()
    values = {name: getattr(limits, name) for name in _NAMES}
    shown = {name: value for name, value in values.items() if name in _ALWAYS or value != getattr(usual, name)}
    return ", ".join(f"{_option(name)}={str(value).lower()}" for name, value in shown.items())


def _option(name: str) -> str:
    return name.replace("_", "-")


def _value(text: str) -> object:
    """Return what a text stands for: a number, true or false. Any other text is returned as it is, and refused later."""
    for convert in (int, float, {"true": True, "false": False}.__getitem__):
        try:
            return convert(text)
        except (ValueError, KeyError):
            continue
    return text

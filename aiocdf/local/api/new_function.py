"""Reads the function from a request to create one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aiocdf.errors import ConfigError
from aiocdf.local.runtime import function_settings
from aiocdf.local.state.functions import FunctionRecord
from aiocdf.local.state.records import now_ms

if TYPE_CHECKING:
    from aiocdf.local.http.fields import Fields
    from aiocdf.local.state.clouds import Cloud, Range

__all__ = ["DEFAULT_PATH", "RUNTIMES", "read_function"]

DEFAULT_PATH: Final = "handler.py"
RUNTIMES: Final = ("py310", "py311", "py312", "py313", "py314")
#: The fields that follow the rules of settings files.
_CHECKED: Final = {
    "metadata": "metadata",
    "secrets": "secrets",
    "envVars": "env_vars",
    "functionPath": "function_path",
    "indexUrl": "index_url",
    "extraIndexUrls": "extra_index_urls",
}
_TEXTS: Final = ("metadata", "secrets", "envVars")


def read_function(item: Fields, function_id: int, cloud: Cloud) -> FunctionRecord:
    """Return the function that an item describes.

    Args:
        item: The item of the request.
        function_id: The id of the new function.
        cloud: The amounts of CPU and memory that functions can have.

    Raises:
        Problem: A field breaks a rule.
    """
    return FunctionRecord(
        id=function_id,
        created_time=now_ms(),
        name=item.text("name", 140),
        file_id=item.id("fileId"),
        external_id=item.optional_text("externalId", 255),
        owner=_optional(item, "owner", 128),
        description=_optional(item, "description", 500),
        cpu=_within(item.number("cpu"), cloud.cpu, item, "cpu"),
        memory=_within(item.number("memory"), cloud.memory, item, "memory"),
        runtime=item.choice("runtime", RUNTIMES),
        **{name: _checked(item, field, name) for field, name in _CHECKED.items() if field in item},
    )


def _optional(item: Fields, name: str, longest: int) -> str | None:
    """Return a text field; None if it is empty, because the service drops empty text."""
    return None if item.values.get(name) == "" else item.optional_text(name, longest)


def _within(value: float | None, allowed: Range, item: Fields, name: str) -> float | None:
    """Return an amount. Raise an amount below the minimum to the minimum, as the service does."""
    if value is not None and value > allowed.max:
        item.refuse(name, f"must be at most {allowed.max:g}")
    return None if value is None else max(value, allowed.min)


def _checked(item: Fields, field: str, name: str) -> Any:
    """Return a field, checked by the rule of a setting."""
    value = item.texts(field) if field in _TEXTS else item.values[field]
    try:
        return function_settings.check({name: value}, "")[name]
    except ConfigError as error:
        rule = str(error).removeprefix(f": {name} ")
    del value  # it may contain secrets, and error trackers collect local variables
    return item.refuse(field, rule)

"""Modules of Cognite Toolkit: YAML files describe functions and schedules, and folders next to them hold the code.

Format of the files: https://docs.cognite.com/cdf/deploy/cdf_toolkit/references/resource_library
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import attrs

from aiocdf.errors import ConfigError
from aiocdf.local.runtime.function_settings import check, parse_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["ToolkitFunction", "ToolkitSchedule", "module_folder", "read_functions", "read_schedules"]

_FUNCTIONS, _SCHEDULES = "*.Function.yaml", "*.Schedule.yaml"
_SETTINGS = {
    "name": "name",
    "description": "description",
    "owner": "owner",
    "metadata": "metadata",
    "secrets": "secrets",
    "envVars": "env_vars",
    "functionPath": "function_path",
    "cpu": "cpu",
    "memory": "memory",
    "runtime": "runtime",
    "indexUrl": "index_url",
    "extraIndexUrls": "extra_index_urls",
}
# Where the Toolkit uploads the code to. The local server runs the code from the module's folder.
_IGNORED = {"externalId", "dataSetExternalId", "space"}


@attrs.frozen(kw_only=True)
class ToolkitFunction:
    """A function that a module describes.

    Args:
        external_id: The external id of the function, which is also the name of the folder with its code.
        settings: The checked settings, with the field names of `Deployment`.
        error: Why the function is not valid; None if it is.
    """

    external_id: str
    settings: Mapping[str, Any] = attrs.field(factory=dict, repr=False)
    error: str | None = None


@attrs.frozen(kw_only=True)
class ToolkitSchedule:
    """A schedule that a module describes. The local server ignores the credentials in the file.

    Args:
        name: The name of the schedule.
        function_external_id: The external id of the function to call.
        cron_expression: When to call it, in UTC, such as `0 6 * * *`.
        description: A description for readers.
        data: The `data` of each call.
    """

    name: str
    function_external_id: str
    cron_expression: str
    description: str | None = None
    data: Mapping[str, Any] = attrs.field(factory=dict)


def module_folder(root: Path) -> Path | None:
    """Return the folder with a module's functions: `functions` below *root*, or *root*; None if it is not a module.

    Args:
        root: The folder that is served.
    """
    for folder in (root / "functions", root):
        if next(folder.glob(_FUNCTIONS), None):
            return folder
    return None


def read_functions(folder: Path) -> tuple[ToolkitFunction, ...]:
    """Return the functions that a module describes. A file that is not valid becomes a function with an `error`.

    Args:
        folder: The module's folder of functions.
    """
    return tuple(function for path in sorted(folder.glob(_FUNCTIONS)) for function in _functions(path, _stamp(path)))


def read_schedules(root: Path) -> tuple[ToolkitSchedule, ...]:
    """Return the schedules that a module describes. Call it in a thread: it reads files.

    Args:
        root: The folder that is served.

    Raises:
        ConfigError: A file is not readable or not valid. The message names the file.
    """
    folder = module_folder(root)
    if folder is None:
        return ()
    return tuple(_schedule(item, path) for path in sorted(folder.glob(_SCHEDULES)) for item in _items(path))


def _stamp(path: Path) -> tuple[int, int]:
    facts = path.stat()
    return facts.st_mtime_ns, facts.st_size


@lru_cache(maxsize=64)
def _functions(path: Path, stamp: tuple[int, int]) -> tuple[ToolkitFunction, ...]:
    del stamp  # only part of the cache key
    try:
        return tuple(_function(item, path) for item in _items(path))
    except ConfigError as error:
        return (ToolkitFunction(external_id=path.name, error=str(error)),)


def _function(item: Mapping[str, Any], path: Path) -> ToolkitFunction:
    external_id = _text(item, "externalId", path)
    if "/" in external_id or external_id in {".", ".."}:
        raise ConfigError(f"{path.name}: externalId {external_id!r} is not a valid folder name")
    settings = {_SETTINGS.get(key, key): value for key, value in item.items() if key not in _IGNORED}
    if isinstance(place := settings.get("function_path"), str):
        settings["function_path"] = place.removeprefix("./")
    try:
        return ToolkitFunction(external_id=external_id, settings=check(settings, path.name))
    except ConfigError as error:
        return ToolkitFunction(external_id=external_id, error=str(error))


def _schedule(item: Mapping[str, Any], path: Path) -> ToolkitSchedule:
    data = item.get("data") or {}
    if not isinstance(data, dict):
        raise ConfigError(f"{path.name}: data must be a mapping of keys to values")
    return ToolkitSchedule(
        name=_text(item, "name", path),
        function_external_id=_text(item, "functionExternalId", path),
        cron_expression=_text(item, "cronExpression", path),
        description=item.get("description"),
        data=data,
    )


def _items(path: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the items of a file, which holds one item or a list of items."""
    if "{{" in path.read_text(encoding="utf-8", errors="replace"):
        raise ConfigError(
            f"{path.name} has variables in {{{{ }}}}: build the module with `cdf build`, and serve the built folder"
        )
    content = parse_yaml(path, lists=True)
    if isinstance(content, str):
        raise ConfigError(f"{path.name} {content}")
    for item in content if isinstance(content, list) else [content]:
        if not isinstance(item, dict):
            raise ConfigError(f"{path.name} must hold a mapping of keys to values, or a list of mappings")
        # The local server does not use the credentials of a schedule, so they are dropped here.
        yield {key: value for key, value in item.items() if key != "authentication"}


def _text(item: Mapping[str, Any], key: str, path: Path) -> str:
    value = item.get(key)
    if not isinstance(value, str) or not value:
        raise ConfigError(f"{path.name}: {key} must be text, and not empty")
    return value

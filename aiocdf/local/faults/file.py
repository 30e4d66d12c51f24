"""Reads faults from a TOML file."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

import attrs

from aiocdf.errors import ConfigError
from aiocdf.local.faults.fault import Fault, Faults

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["read_faults"]


def read_faults(path: Path) -> Faults:
    """Return the faults in a file, which has `seed` and a table `[[fault]]` for each fault. Call it in a thread.

    Raises:
        ConfigError: The file is not readable, or a value is not valid. The message names the fault and the field.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"the file of faults {str(path)!r} is not readable: {error.strerror}") from None
    except ValueError as error:
        raise ConfigError(f"{str(path)!r} is not valid TOML: {error}") from None
    try:
        return _faults(content)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def _faults(content: dict[str, Any]) -> Faults:
    _check_names(content, {"seed", "fault"})
    tables = content.get("fault")
    if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
        raise ConfigError("use a table [[fault]] for each fault")
    faults = tuple(_fault(number, table) for number, table in enumerate(tables, 1))
    return Faults(faults=faults, seed=content.get("seed", 1))


def _fault(number: int, table: dict[str, Any]) -> Fault:
    try:
        _check_names(table, {field.name for field in attrs.fields(Fault)})
        return Fault(**{"kind": None} | table)
    except ConfigError as error:
        raise ConfigError(f"fault {number}: {error}") from None


def _check_names(table: dict[str, Any], known: set[str]) -> None:
    if unknown := sorted(table.keys() - known):
        raise ConfigError(f"unknown {unknown[0]!r}: use {', '.join(sorted(known))}")

"""Reads the settings file of a function, and checks it by the service's rules."""

from __future__ import annotations

import importlib
import re
import tomllib
from typing import TYPE_CHECKING, Any

from aiocdf.errors import ConfigError
from aiocdf.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

__all__ = ["FILES", "check", "load", "parse_yaml"]

_TOML = "function.toml"
_YAML = "function.yaml"
#: The possible names of a settings file.
FILES = (_TOML, _YAML)
_RESERVED = {"token", "indexurl", "extraindexurls"}


def load(folder: Path) -> dict[str, Any]:
    """Read and check a function's settings.

    Args:
        folder: The function's folder, with a `function.toml`, a `function.yaml` or neither.

    Raises:
        ConfigError: The file is not readable, or a setting breaks the service's rules.
    """
    toml, yaml = folder / _TOML, folder / _YAML
    if toml.exists() and yaml.exists():
        raise ConfigError(f"the folder has both {_TOML} and {_YAML}: delete one of them")
    path = yaml if yaml.exists() else toml
    return check(_parse(path), path.name) if path.exists() else {}


def check(settings: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Return checked settings with the field names and types of `Deployment`.

    Rules: https://api-docs.cognite.com/20230101/tag/Functions/operation/postFunctions

    Args:
        settings: The content of the file.
        source: The file's name, for messages.

    Raises:
        ConfigError: A key is unknown or a value breaks a rule. The message contains no secrets.
    """
    outcome = _apply_rules(settings)
    del settings  # it may contain secrets, and error trackers collect local variables
    if isinstance(outcome, str):
        raise ConfigError(f"{source}: {outcome}")
    return outcome


def _apply_rules(settings: Mapping[str, Any]) -> dict[str, Any] | str:
    """Return the checked settings, or the problem. An exception raised here would have secrets in its traceback."""
    unknown = sorted(str(key) for key in settings if key not in _RULES)
    if unknown:
        return f"unknown {', '.join(unknown)}: use {', '.join(_RULES)}"
    checked = {}
    for key, value in settings.items():
        try:
            checked[key] = _RULES[key](value)
        except ValueError as error:
            return f"{key} {error}"
    return checked


def _parse(path: Path) -> dict[str, Any]:
    """Return the content of a settings file."""
    outcome: dict[str, Any] | str = parse_yaml(path) if path.name == _YAML else _parse_toml(path)
    if isinstance(outcome, str):
        raise ConfigError(f"{path.name} {outcome}")
    return outcome


def _parse_toml(path: Path) -> dict[str, Any] | str:
    """Return the content of a file, or the problem with it, as in `_apply_rules`."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        return f"is not readable: {error}"


def parse_yaml(path: Path, *, lists: bool = False) -> Any:
    """Return the content of a file, or the problem with it. An exception would have secrets in its traceback.

    Args:
        path: The file.
        lists: Whether the file may hold a list.
    """
    try:
        yaml = importlib.import_module("yaml")
    except ModuleNotFoundError:
        return "needs the package PyYAML: install it with aiocdf[local]"
    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        return f"is not readable: {error}"
    except yaml.YAMLError as error:  # its text quotes the file, which may contain secrets
        mark = getattr(error, "problem_mark", None)
        return "is not valid YAML" + (f" at line {mark.line + 1}" if mark else "")
    if settings is None:
        return {}
    if not isinstance(settings, (dict, list) if lists else dict):
        return f"must hold a mapping of keys to values, not a {type(settings).__name__}"
    return settings


def _id(value: Any) -> int:
    if type(value) is not int or not 1 <= value < 2**53:
        raise ValueError("must be a whole number from 1 to 2^53 - 1")
    return value


def _text(longest: int) -> Callable[[Any], str]:
    def rule(value: Any) -> str:
        if not isinstance(value, str) or not 1 <= len(value) <= longest:
            raise ValueError(f"must be text of 1 to {longest} characters")
        return value

    return rule


def _timeout(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= 600:
        raise ValueError("must be a number of seconds above 0 and at most 600, the service's limit")
    return float(value)


def _amount(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= 1000:
        raise ValueError("must be a number above 0")
    return float(value)


def _runtime(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"py3[0-9]{1,2}", value):
        raise ValueError("must name a Python version, such as py311")
    return value


def _index_url(value: Any) -> Secret:
    if not isinstance(value, str) or not re.fullmatch(r"(https?|file)://[^\s]{1,2000}", value):
        raise ValueError("must be the URL of a package index")
    return Secret(value)  # it may contain a password


def _index_urls(value: Any) -> tuple[Secret, ...]:
    if isinstance(value, list):
        return tuple(map(_index_url, value))
    raise ValueError("must be a list of URLs of package indexes")


def _function_path(value: Any) -> str:
    # Each part of the path becomes a part of a module name.
    if not isinstance(value, str) or len(value) > 500 or not re.fullmatch(r"([\w-]+/)*[\w-]+\.py", value):
        raise ValueError("must be the path of a .py file below the function's folder, such as src/handler.py")
    return value


def _table_of_texts(value: Any, *, most: int) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(text, str) for item in value.items() for text in item):
        raise ValueError('must be a table of text values, such as key = "value"')
    if len(value) > most:
        raise ValueError(f"has {len(value)} entries: use at most {most}")
    return value


def _metadata(value: Any) -> dict[str, str]:
    metadata = _table_of_texts(value, most=16)
    if any(len(key) > 32 or len(text) > 512 for key, text in metadata.items()):
        raise ValueError("has a key of more than 32 characters or a value of more than 512 characters")
    if sum(len((key + text).encode()) for key, text in metadata.items()) > 4096:
        raise ValueError("is larger than 4096 bytes")
    return metadata


def _secrets(value: Any) -> dict[str, Secret]:
    secrets = _table_of_texts(value, most=30)
    for key, text in secrets.items():
        if key.lower() in _RESERVED:
            raise ValueError(f"has the reserved name {key!r}: use another name")
        if not re.fullmatch(r"[a-z0-9-]{1,15}", key):
            raise ValueError(f"has the name {key!r}: use 1 to 15 lower-case letters, digits and hyphens")
        if len((key + text).encode()) > 25_000:
            raise ValueError(f"has more than 25 kB in {key!r}: use a shorter value")
    return {key: Secret(text) for key, text in secrets.items()}


def _env_vars(value: Any) -> dict[str, str]:
    env_vars = _table_of_texts(value, most=100)
    for key, text in env_vars.items():
        if not re.fullmatch(r"[A-Za-z0-9_]+", key):
            raise ValueError(f"has the name {key!r}: use letters, digits and underscores")
        if "\0" in text:
            raise ValueError(f"has a null character in {key!r}: remove it")
    return env_vars


_RULES: dict[str, Callable[[Any], Any]] = {
    "id": _id,
    "name": _text(140),
    "description": _text(500),
    "owner": _text(128),
    "metadata": _metadata,
    "secrets": _secrets,
    "env_vars": _env_vars,
    "timeout": _timeout,
    "function_path": _function_path,
    "cpu": _amount,
    "memory": _amount,
    "runtime": _runtime,
    "index_url": _index_url,
    "extra_index_urls": _index_urls,
}

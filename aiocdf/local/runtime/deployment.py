"""Functions as they are on disk: a folder with a handler is a deployed function."""

from __future__ import annotations

import ast
import hashlib
import os
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING

import attrs

from aiocdf.errors import ConfigError
from aiocdf.local.runtime import function_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from aiocdf.secret import Secret

__all__ = ["Deployment", "discover"]

_HANDLER = "handler.py"
_ARGUMENTS = {"client", "data", "function_call_info", "secrets"}


@attrs.frozen(kw_only=True)
class Deployment:
    """One function as found on disk.

    Args:
        external_id: The folder's name.
        name: The function's name; the folder's unless its settings say otherwise.
        path: The folder.
        fingerprint: A text that changes whenever the code or the settings change.
        function_path: The file that defines `handle`, below the folder.
        id: The id that the settings ask for.
        secrets: What `handle` gets as `secrets`.
        env_vars: What is added to the environment of the function's process.
        timeout: The time limit of a call, in seconds.
        description: What the function is for.
        owner: Who answers for it.
        metadata: Anything else that is to be known of it.
        error: Why it cannot be deployed, if it cannot.
    """

    external_id: str
    name: str
    path: Path
    fingerprint: str
    function_path: str = _HANDLER
    id: int | None = None
    secrets: Mapping[str, Secret] = attrs.field(factory=dict)
    env_vars: Mapping[str, str] = attrs.field(factory=dict)
    timeout: float = 540.0
    description: str | None = None
    owner: str | None = None
    metadata: Mapping[str, str] = attrs.field(factory=dict)
    error: str | None = None


def discover(root: Path) -> tuple[Deployment, ...]:
    """Return the functions below a folder: each folder in it with a `handler.py`, in the order of their names.

    It blocks on the disk, so call it in a thread. What has not changed since the last time is not read again.

    Args:
        root: The folder.

    Raises:
        OSError: The folder cannot be listed.
    """
    folders = sorted(path for path in root.resolve().iterdir() if not path.name.startswith("."))
    return tuple(_deploy(folder, _fingerprint(folder)) for folder in folders if (folder / _HANDLER).is_file())


def _fingerprint(folder: Path) -> str:
    return hashlib.blake2b(repr(sorted(_files(str(folder)))).encode(), digest_size=16).hexdigest()


def _files(folder: str) -> Iterator[tuple[str, int, int]]:
    """Yield path, size and time of change of all files below a folder that can be part of the function."""
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.name == "__pycache__":
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _files(entry.path)
                continue
            with suppress(FileNotFoundError):  # an editor's passing file, or a link to nowhere
                facts = entry.stat()
                yield entry.path, facts.st_size, facts.st_mtime_ns


@lru_cache(maxsize=256)
def _deploy(folder: Path, fingerprint: str) -> Deployment:
    bare = Deployment(external_id=folder.name, name=folder.name[:140], path=folder, fingerprint=fingerprint)
    try:
        deployment = attrs.evolve(bare, **function_settings.load(folder))
        _check_handler(folder / deployment.function_path)
    except ConfigError as error:
        return attrs.evolve(bare, error=str(error))
    return deployment


def _check_handler(path: Path) -> None:
    """Check by the service's rules that a file defines `handle`."""
    try:
        tree = ast.parse(path.read_bytes(), path.name)
    except OSError as error:
        raise ConfigError(f"{path.name} cannot be read: {error.strerror}") from None
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ConfigError(f"{path.name} is no Python: {error}") from None
    definitions = [node for node in tree.body if _defines_handle(node)]
    if not definitions:
        raise ConfigError(f"{path.name} defines no function `handle` at its top level")
    last = definitions[-1]  # as when the file is run
    if isinstance(last, (ast.FunctionDef, ast.AsyncFunctionDef)):
        _check_arguments(last.args, path.name)


def _defines_handle(node: ast.stmt) -> bool:
    match node:
        case ast.FunctionDef(name="handle") | ast.AsyncFunctionDef(name="handle"):
            return True
        case ast.Assign(targets=targets):
            return any(isinstance(target, ast.Name) and target.id == "handle" for target in targets)
        case ast.AnnAssign(target=ast.Name(id="handle"), value=value):
            return value is not None
    return False


def _check_arguments(arguments: ast.arguments, file: str) -> None:
    if arguments.posonlyargs:
        raise ConfigError(f"{file}: the arguments of `handle` are passed by name, so none may stand before a `/`")
    unknown = {argument.arg for argument in arguments.args + arguments.kwonlyargs} - _ARGUMENTS
    if unknown:
        raise ConfigError(
            f"{file}: `handle` takes {', '.join(sorted(unknown))}; only {', '.join(sorted(_ARGUMENTS))} are passed"
        )

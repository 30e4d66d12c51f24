"""Functions on disk: a folder with a handler is a deployed function."""

from __future__ import annotations

import ast
import hashlib
import os
import sys
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING

import attrs

from aiocdf.errors import ConfigError
from aiocdf.local.runtime import function_settings, toolkit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from typing import Any

    from aiocdf.local.state.clouds import Cloud, Range
    from aiocdf.secret import Secret

__all__ = ["Deployment", "check_handler", "discover", "files_below", "read_deployment"]

_HANDLER = "handler.py"
_ARGUMENTS = {"client", "data", "function_call_info", "secrets"}


@attrs.frozen(kw_only=True)
class Deployment:
    """One function as it is on disk.

    Args:
        external_id: The external id: the name of the folder.
        name: The name from the settings, or else of the folder.
        path: The folder.
        fingerprint: Text that changes when the code or the settings change.
        function_path: The path below the folder of the file that defines `handle`.
        id: The id from the settings; None to derive it from the external id.
        secrets: The `secrets` argument of `handle`.
        env_vars: Variables to add to the environment of the function's process.
        timeout: The time limit of a call, in seconds.
        cpu: How many CPU cores a call may use.
        memory: How much memory a call may use, in GiB.
        runtime: The Python version, such as `py311`; None uses the server's own Python.
        index_url: The package index for the function's requirements; None uses the default of pip or uv.
        extra_index_urls: Additional package indexes.
        takes_client: Whether `handle` takes `client`.
        python: The path of the interpreter to run the function with.
        bundle: The name of the function's code on a cluster.
        description: A description for readers.
        owner: The person or team that owns the function.
        metadata: Custom keys and values.
        error: Why deploying the function fails; None if the function is valid.
    """

    external_id: str
    name: str
    path: Path
    fingerprint: str
    function_path: str = _HANDLER
    id: int | None = None
    secrets: Mapping[str, Secret] = attrs.field(factory=dict)
    env_vars: Mapping[str, str] = attrs.field(factory=dict)
    timeout: float = 600.0
    cpu: float = 1.0
    memory: float = 1.5
    runtime: str | None = None
    index_url: Secret | None = None
    extra_index_urls: tuple[Secret, ...] = ()
    takes_client: bool = False
    python: str = sys.executable
    bundle: str | None = None
    description: str | None = None
    owner: str | None = None
    metadata: Mapping[str, str] = attrs.field(factory=dict)
    error: str | None = None

    def within(self, cloud: Cloud) -> Deployment:
        """Return the deployment with the timeout, CPU and memory that a cloud gives it."""
        return attrs.evolve(
            self,
            timeout=min(self.timeout, cloud.timeout),
            cpu=_clamped(self.cpu, cloud.cpu),
            memory=_clamped(self.memory, cloud.memory),
        )


def _clamped(amount: float, allowed: Range) -> float:
    return min(max(amount, allowed.min), allowed.max)


def discover(root: Path) -> tuple[Deployment, ...]:
    """Return the functions below a folder, ordered by name. Call it in a thread: it reads files.

    If the folder, or the folder `functions` in it, has files `*.Function.yaml`, it is a module of Cognite Toolkit.
    Otherwise each folder in it with a `handler.py` or a settings file is a function. If it has no such folder, it may
    be a function itself. Files that did not change since the last call are not read again.

    Args:
        root: The folder.

    Raises:
        OSError: The folder is not readable.
    """
    root = root.resolve()
    if module := toolkit.module_folder(root):
        found = (_of_module(module / each.external_id, each) for each in toolkit.read_functions(module))
        return tuple(sorted(found, key=lambda deployment: deployment.external_id))
    folders = sorted(path for path in root.iterdir() if not path.name.startswith(".") and _is_function(path))
    if not folders and _is_function(root):
        folders = [root]
    return tuple(_deploy(folder, _fingerprint(folder)) for folder in folders)


def _is_function(folder: Path) -> bool:
    return any((folder / name).is_file() for name in (_HANDLER, *function_settings.FILES))


def _of_module(folder: Path, function: toolkit.ToolkitFunction) -> Deployment:
    if function.error is None and not folder.is_dir():
        error = f"the folder {folder.name!r} with its code is missing: put it next to the YAML file that describes it"
        function = attrs.evolve(function, error=error)
    if function.error is not None:
        return attrs.evolve(_bare(folder, ""), external_id=function.external_id, error=function.error)
    deployment = read_deployment(folder, external_id=function.external_id, settings=function.settings)
    return attrs.evolve(deployment, name=function.settings.get("name", function.external_id))


def files_below(folder: Path) -> list[str]:
    """Return the paths of all files below a folder that can be part of the function. Call it in a thread."""
    return [path for path, *_ in _files(str(folder))]


def _fingerprint(folder: Path) -> str:
    return hashlib.blake2b(repr(sorted(_files(str(folder)))).encode(), digest_size=16).hexdigest()


def _files(folder: str) -> Iterator[tuple[str, int, int]]:
    """Yield path, size and modification time of all files below a folder that can be part of the function."""
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.name == "__pycache__":
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _files(entry.path)
                continue
            with suppress(FileNotFoundError):  # an editor's temporary file, or a broken link
                facts = entry.stat()
                yield entry.path, facts.st_size, facts.st_mtime_ns


@lru_cache(maxsize=256)
def _deploy(folder: Path, fingerprint: str) -> Deployment:
    try:
        settings = function_settings.load(folder)
    except ConfigError as error:
        return attrs.evolve(_bare(folder, fingerprint), error=str(error))
    return _with_settings(folder, fingerprint, settings)


def read_deployment(folder: Path, *, external_id: str, settings: Mapping[str, Any]) -> Deployment:
    """Return the function in a folder, with settings that do not come from a file. Call it in a thread.

    Args:
        folder: The folder.
        external_id: The external id of the function.
        settings: Checked values with the field names of `Deployment`, such as `secrets`, `env_vars` and `cpu`.
    """
    deployment = _with_settings(folder, _fingerprint(folder), settings)
    return attrs.evolve(deployment, external_id=external_id)


def _bare(folder: Path, fingerprint: str) -> Deployment:
    return Deployment(external_id=folder.name, name=folder.name[:140], path=folder, fingerprint=fingerprint)


def _with_settings(folder: Path, fingerprint: str, settings: Mapping[str, Any]) -> Deployment:
    deployment = attrs.evolve(_bare(folder, fingerprint), **settings)
    try:
        takes_client = check_handler(folder / deployment.function_path, deployment.function_path)
    except ConfigError as error:
        return attrs.evolve(deployment, error=str(error))
    return attrs.evolve(deployment, takes_client=takes_client)


def check_handler(path: Path, shown: str) -> bool:
    """Check by the service's rules that a file defines `handle`. Return whether `handle` takes `client`.

    Args:
        path: The file.
        shown: The path below the function's folder, for messages.

    Raises:
        ConfigError: The file breaks a rule. The message names the file and the line.
    """
    try:
        tree = ast.parse(path.read_bytes(), shown)
    except OSError as error:
        raise ConfigError(f"{shown} is not readable: {error.strerror}") from None
    except SyntaxError as error:
        where = f"{shown}, line {error.lineno}" if error.lineno else shown
        raise ConfigError(f"{where}: not valid Python: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise ConfigError(f"{shown} is not valid Python: {error}") from None
    definitions = [node for node in tree.body if _defines_handle(node)]
    if not definitions:
        raise ConfigError(f"{shown} defines no function `handle` at its top level")
    last = definitions[-1]  # the definition that counts when Python runs the file
    if isinstance(last, ast.AsyncFunctionDef):
        where = f"{shown}, line {last.lineno}"
        raise ConfigError(f"{where}: `handle` is async, which the service does not support: define it with `def`")
    if isinstance(last, ast.FunctionDef):
        return _check_arguments(last.args, f"{shown}, line {last.lineno}")
    return True  # unknown until the file runs


def _defines_handle(node: ast.stmt) -> bool:
    match node:
        case ast.FunctionDef(name="handle") | ast.AsyncFunctionDef(name="handle"):
            return True
        case ast.Assign(targets=targets):
            return any(isinstance(target, ast.Name) and target.id == "handle" for target in targets)
        case ast.AnnAssign(target=ast.Name(id="handle"), value=value):
            return value is not None
    return False


def _check_arguments(arguments: ast.arguments, where: str) -> bool:
    if arguments.posonlyargs:
        raise ConfigError(f"{where}: the service passes the arguments of `handle` by name: remove the `/`")
    names = {argument.arg for argument in arguments.args + arguments.kwonlyargs}
    if unknown := names - _ARGUMENTS:
        raise ConfigError(
            f"{where}: `handle` takes {', '.join(sorted(unknown))}: use only {', '.join(sorted(_ARGUMENTS))}"
        )
    return "client" in names or arguments.kwarg is not None

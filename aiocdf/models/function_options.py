"""The arguments that describe a new function."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol, TypedDict

from aiocdf.secret import Secret

__all__ = ["FunctionOptions"]


class _Path(Protocol):
    """A path, such as a `pathlib.Path`."""

    def __fspath__(self) -> str: ...


class FunctionOptions(TypedDict, total=False):
    """Arguments of `client.functions.create`. Exactly one of `folder`, `handle` and `file_id` is required."""

    #: The folder with the code. Files that match `.funcignore`, or `.gitignore` if there is none, are not uploaded.
    folder: str | _Path | None
    #: A Python function whose source is uploaded. It must import inside its body what it uses.
    handle: Callable[..., Any] | None
    #: The id of a zip file that is already uploaded.
    file_id: int | None
    #: At most 255 characters; unique in the project.
    external_id: str | None
    #: At most 500 characters.
    description: str | None
    #: At most 128 characters.
    owner: str | None
    #: At most 30, for `handle(secrets)`. Keys have at most 15 lower-case letters, digits and dashes.
    secrets: Mapping[str, str | Secret] | None
    #: At most 100. Keys have letters, digits and underscores.
    env_vars: Mapping[str, str] | None
    #: At most 16 entries and 4,096 bytes.
    metadata: Mapping[str, str] | None
    #: Cores, within `limits()`.
    cpu: float | None
    #: Gigabytes, within `limits()`.
    memory: float | None
    #: One of the runtimes in `limits()`, such as `py312`.
    runtime: str | None
    #: The module with `handle`, below the folder; `handler.py` by default.
    function_path: str
    #: With *handle*: the packages that pip installs. By default, the lines between `[requirements]` and
    #: `[/requirements]` in its docstring.
    requirements: Iterable[str] | None
    #: A package index that pip uses instead of PyPI. The URL may contain a password.
    index_url: str | Secret | None
    #: Additional package indexes.
    extra_index_urls: Iterable[str | Secret] | None
    #: The data set for the file with the code.
    data_set_id: int | None

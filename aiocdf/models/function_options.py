"""What a new function is made of, as users give it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol, TypedDict

from aiocdf.secret import Secret

__all__ = ["FunctionOptions"]


class _Path(Protocol):
    """A path, such as a `pathlib.Path`."""

    def __fspath__(self) -> str: ...


class FunctionOptions(TypedDict, total=False):
    """Arguments of `client.functions.create`; just one of `folder`, `handle` and `file_id` is needed."""

    #: With the code. What `.funcignore` names, or without one `.gitignore`, is not uploaded.
    folder: str | _Path | None
    #: A function, of which the source is uploaded: what it imports it must import itself.
    handle: Callable[..., Any] | None
    #: Of a zip file that is uploaded already.
    file_id: int | None
    #: At most 255 characters; a project has each once.
    external_id: str | None
    #: At most 500 characters.
    description: str | None
    #: At most 128 characters.
    owner: str | None
    #: At most 30, for `handle(secrets)`; keys have up to 15 lower-case letters, digits and dashes.
    secrets: Mapping[str, str | Secret] | None
    #: At most 100; keys have letters, digits and underscores.
    env_vars: Mapping[str, str] | None
    #: At most 16 entries and 4,096 bytes.
    metadata: Mapping[str, str] | None
    #: Cores, within `limits()`.
    cpu: float | None
    #: Gigabytes, within `limits()`.
    memory: float | None
    #: Such as `py312`, one of `limits()`.
    runtime: str | None
    #: The module with `handle`, below the folder; `handler.py` by default.
    function_path: str
    #: With *handle*: what pip installs. By default, the lines between `[requirements]` and `[/requirements]` in its docstring.
    requirements: Iterable[str] | None
    #: A package index for pip in the place of PyPI; it may have a password in it.
    index_url: str | Secret | None
    #: More package indexes.
    extra_index_urls: Iterable[str | Secret] | None
    #: The data set for the file with the code.
    data_set_id: int | None

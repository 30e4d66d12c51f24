"""What a new function is made of, as it is given to `client.functions.create`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

import attrs

from aiocdf._bundle.source import CodeSource
from aiocdf._wire.function_spec import FunctionSpec
from aiocdf._wire.identifiers import check_id
from aiocdf.errors import InvalidType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from os import PathLike

    from aiocdf.models.code_package import CodePackage
    from aiocdf.secret import Secret

__all__ = ["FunctionOptions", "NewFunction", "read_options"]

_OF_CODE = ("folder", "handle", "file_id", "requirements")


class FunctionOptions(TypedDict, total=False):
    """Arguments of `client.functions.create`; just one of `folder`, `handle` and `file_id` is needed."""

    #: With the code. What `.funcignore` names, or without one `.gitignore`, is not uploaded.
    folder: str | PathLike[str] | None
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


@attrs.frozen(kw_only=True)
class NewFunction:
    """A function to create, checked as far as that goes without its code."""

    spec: FunctionSpec
    source: CodeSource
    data_set_id: int | None = attrs.field(
        default=None,
        validator=attrs.validators.optional(lambda _, __, value: check_id(value, "data set")),
    )

    async def code(self) -> CodePackage | int:
        """Return the code, packed, or the id of the file that has it.

        Raises:
            UsageError: The code cannot be deployed.
            ConfigError: The folder has an ignore file, and the extra that reads it is not installed.
        """
        given = self.source.file_id
        return await self.source.pack(self.spec.function_path) if given is None else check_id(given, "file")


def read_options(name: str, options: FunctionOptions) -> NewFunction:
    """Return the function that the arguments describe.

    Raises:
        UsageError: An argument is not valid.
    """
    given: dict[str, Any] = dict(options)
    if unknown := set(given) - set(FunctionOptions.__annotations__):
        raise InvalidType(f"a function has no argument {', '.join(sorted(unknown))}")
    data_set_id = given.pop("data_set_id", None)
    source = CodeSource(**{key: given.pop(key) for key in _OF_CODE if key in given})
    return NewFunction(spec=FunctionSpec(name=name, **given), source=source, data_set_id=data_set_id)

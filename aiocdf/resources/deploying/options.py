"""What `client.functions.create` is given, checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from aiocdf._bundle.source import CodeSource
from aiocdf._wire.function_spec import FunctionSpec
from aiocdf._wire.identifiers import check_id
from aiocdf.errors import InvalidType
from aiocdf.models.function_options import FunctionOptions

if TYPE_CHECKING:
    from aiocdf.models.code_package import CodePackage

__all__ = ["NewFunction", "read_options"]

_OF_CODE = ("folder", "handle", "file_id", "requirements")


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

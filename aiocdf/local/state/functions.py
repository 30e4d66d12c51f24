"""The stored form of functions created through the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import attrs
from attrs.converters import optional

from aiocdf.secret import Secret, safe_to_show

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["FunctionRecord", "FunctionStatus"]

FunctionStatus = Literal["Queued", "Deploying", "Ready", "Failed"]


def _secrets(values: Mapping[str, Secret | str]) -> dict[str, Secret]:
    return {name: Secret(value) for name, value in values.items()}


def _urls(values: Iterable[Secret | str]) -> tuple[Secret, ...]:
    return tuple(map(Secret, values))


@safe_to_show
@attrs.frozen(kw_only=True)
class FunctionRecord:
    """A function that was created through the API. Times are in epoch milliseconds.

    `Store.code_folder` returns the folder with the function's code.

    Args:
        id: The id of the function.
        created_time: When it was created.
        name: The name; not unique.
        file_id: The id of the zip file with its code.
        external_id: The unique external id; None if it has none.
        status: The status of the deployment. Only a Ready function accepts calls.
        function_path: The path of the file that defines `handle`.
        description: A description for readers.
        owner: The person or team that owns the function.
        metadata: Custom keys and values.
        secrets: The `secrets` argument of `handle`.
        env_vars: Variables to add to the environment of the function's process.
        cpu: How many CPU cores a call may use.
        memory: How much memory a call may use, in GB.
        runtime: The Python version, such as `py313`.
        index_url: The package index to use instead of PyPI. It may contain a password.
        extra_index_urls: Additional package indexes. They may contain passwords.
        error_message: Why the deployment failed; None if it did not.
        error_trace: The last part of the build log of a failed deployment.
    """

    id: int
    created_time: int
    name: str
    file_id: int
    external_id: str | None = None
    status: FunctionStatus = "Queued"
    function_path: str = "handler.py"
    description: str | None = None
    owner: str | None = None
    metadata: Mapping[str, str] = attrs.field(factory=dict)
    secrets: Mapping[str, Secret] = attrs.field(factory=dict, converter=_secrets)
    env_vars: Mapping[str, str] = attrs.field(factory=dict)
    cpu: float | None = None
    memory: float | None = None
    runtime: str | None = None
    index_url: Secret | None = attrs.field(default=None, converter=optional(Secret))
    extra_index_urls: tuple[Secret, ...] = attrs.field(default=(), converter=_urls)
    error_message: str | None = None
    error_trace: str | None = None

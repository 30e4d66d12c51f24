"""Functions that were created through the API, as the server keeps them."""

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
    """A function that was created through the API; times in epoch milliseconds.

    Its code is in the folder that `Store.code_folder` names.

    Args:
        id: Its id.
        created_time: When it was created.
        name: Its name; other functions may have the same.
        file_id: The zip file that its code came in.
        external_id: Its external id, which no other function has.
        status: Whether it can be called.
        function_path: The file that defines `handle`.
        description: What it is for.
        owner: Who answers for it.
        metadata: Anything else that users know of it.
        secrets: What `handle` gets as `secrets`.
        env_vars: What is added to the environment of its process.
        cpu: How many cores a call may use.
        memory: How much memory a call may use, in GB.
        runtime: The Python version, such as `py313`.
        index_url: The package index in place of PyPI; it may hold a password.
        extra_index_urls: More package indexes; they may hold passwords.
        error_message: Why the deployment failed.
        error_trace: The end of the build log of a deployment that failed.
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

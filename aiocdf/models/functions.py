"""Functions, as the service describes them (API: Functions)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import attrs

from aiocdf.models.html import HtmlTable
from aiocdf.models.open_enum import OpenEnum

__all__ = ["Function", "FunctionError", "FunctionLimits", "FunctionStatus", "FunctionsStatus", "Range"]


class FunctionStatus(OpenEnum):
    """Where a function stands; only a `Ready` one can be called."""

    Queued = "Queued"
    Deploying = "Deploying"
    Ready = "Ready"
    Failed = "Failed"


class FunctionsStatus(OpenEnum):
    """Whether the project can have functions (API: Functions status)."""

    inactive = "inactive"
    #: Someone asked for the activation, which may take hours.
    requested = "requested"
    activated = "activated"


@attrs.frozen(kw_only=True)
class FunctionError:
    """What went wrong, in a deployment or in a call."""

    message: str = ""
    #: A traceback of a call, or the end of a deployment's build log.
    trace: str | None = attrs.field(default=None, repr=False)
    code: int | None = None


@attrs.frozen(kw_only=True)
class Function(HtmlTable):
    """A deployed function."""

    id: int
    name: str
    status: FunctionStatus
    external_id: str | None = None
    description: str | None = None
    owner: str | None = None
    created_time: datetime | None = None
    last_called: datetime | None = None
    file_id: int | None = None
    function_path: str | None = None
    metadata: Mapping[str, str] = attrs.field(factory=dict)
    #: Names of the function's secrets; the service gives stars for the values.
    secrets: Mapping[str, str] = attrs.field(factory=dict)
    env_vars: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    cpu: float | None = None
    #: Gigabytes.
    memory: float | None = None
    runtime: str | None = None
    runtime_version: str | None = None
    #: Why the deployment failed, if it did.
    error: FunctionError | None = None
    #: Fields that this version of aiocdf does not know, as they came.
    extra: Mapping[str, Any] = attrs.field(factory=dict, repr=False)


@attrs.frozen(kw_only=True)
class Range:
    """The smallest, largest and usual value of a resource that a function may ask for."""

    min: float
    max: float
    default: float


@attrs.frozen(kw_only=True)
class FunctionLimits(HtmlTable):
    """What the project's cloud allows a function (API: Functions limits)."""

    timeout_minutes: float | None = None
    cpu_cores: Range | None = None
    memory_gb: Range | None = None
    runtimes: tuple[str, ...] = ()
    response_size_mb: float | None = None
    extra: Mapping[str, Any] = attrs.field(factory=dict, repr=False)

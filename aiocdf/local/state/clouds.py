"""The limits of the service on its three clouds. They differ in the size of data, the timeout and the memory."""

from __future__ import annotations

from typing import Any, Final, Literal, get_args

import attrs

from aiocdf.errors import InvalidArgument
from aiocdf.local.state.limits import Limits

__all__ = ["CLOUDS", "Cloud", "CloudName", "Range", "cloud_of", "limits_of"]

CloudName = Literal["gcp", "azure", "aws"]


@attrs.frozen
class Range:
    """The minimum, maximum and default amount that a function can have."""

    min: float
    max: float
    default: float


@attrs.frozen(kw_only=True)
class Cloud:
    """The limits of a cloud (https://docs.cognite.com/cdf/functions/technical).

    Args:
        data_bytes: The maximum size in bytes of the `data` of a call, as JSON.
        timeout_minutes: The time limit of a call, in minutes.
        cpu: How many CPU cores a function can have.
        memory: How much memory a function can have, in GB.
        shows_response_size: Whether the limits endpoint returns the maximum size of a response.
    """

    data_bytes: int
    timeout_minutes: int
    cpu: Range
    memory: Range
    shows_response_size: bool = False

    @property
    def timeout(self) -> float:
        """The time limit of a call in seconds."""
        return 60.0 * self.timeout_minutes


CLOUDS: Final[dict[CloudName, Cloud]] = {
    "gcp": Cloud(
        data_bytes=9_000_000,
        timeout_minutes=9,
        cpu=Range(0.1, 3.0, 1.0),
        memory=Range(0.1, 5.0, 1.5),
        shows_response_size=True,
    ),
    "azure": Cloud(data_bytes=36_000, timeout_minutes=10, cpu=Range(1.0, 1.0, 1.0), memory=Range(2.0, 2.0, 2.0)),
    "aws": Cloud(data_bytes=240_000, timeout_minutes=10, cpu=Range(1.0, 1.0, 1.0), memory=Range(1.5, 1.5, 1.5)),
}


def cloud_of(name: Any) -> Cloud:
    """Return a cloud by its name.

    Raises:
        InvalidArgument: The name is unknown.
    """
    if name not in get_args(CloudName):
        raise InvalidArgument(f"cloud must be one of {', '.join(CLOUDS)}, not {name!r}")
    return CLOUDS[name]


def limits_of(name: Any) -> Limits:
    """Return the limits of the service on a cloud.

    Raises:
        InvalidArgument: The name is unknown.
    """
    return Limits(data_bytes=cloud_of(name).data_bytes)

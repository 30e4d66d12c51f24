"""A schedule of a function that is replaced."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

__all__ = ["KeptSchedule"]


@attrs.frozen(kw_only=True)
class KeptSchedule:
    """What it takes to create a schedule again, for the function in the place of the one that had it."""

    name: str
    cron: str
    description: str | None = None
    data: Mapping[str, Any] = attrs.field(factory=dict, repr=False)

"""Files, which hold the code of functions (API: Files)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import attrs

from aiocdf.models.html import HtmlTable

__all__ = ["File"]


@attrs.frozen(kw_only=True)
class File(HtmlTable):
    """A file of the project."""

    id: int
    name: str
    #: Its content has arrived.
    uploaded: bool = False
    external_id: str | None = None
    mime_type: str | None = None
    source: str | None = None
    directory: str | None = None
    data_set_id: int | None = None
    metadata: Mapping[str, str] = attrs.field(factory=dict)
    created_time: datetime | None = None
    last_updated_time: datetime | None = None
    uploaded_time: datetime | None = None
    #: Fields that this version of aiocdf does not know, as they came.
    extra: Mapping[str, Any] = attrs.field(factory=dict, repr=False)

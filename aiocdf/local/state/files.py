"""The stored form of uploaded files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["File"]


@attrs.frozen(kw_only=True)
class File:
    """The metadata of a file. Times are in epoch milliseconds. The content is a file next to the database.

    Args:
        id: The id of the file.
        name: The name; not unique.
        created_time: When it was created.
        last_updated_time: When it last changed.
        external_id: The unique external id; None if it has none.
        uploaded: Whether the content was uploaded.
        uploaded_time: When the content was uploaded.
        mime_type: The MIME type of the content.
        source: The origin of the file, as text for readers.
        directory: The directory of the file, as text for readers.
        data_set_id: The id of the data set of the file.
        metadata: Custom keys and values.
    """

    id: int
    name: str
    created_time: int
    last_updated_time: int
    external_id: str | None = None
    uploaded: bool = False
    uploaded_time: int | None = None
    mime_type: str | None = None
    source: str | None = None
    directory: str | None = None
    data_set_id: int | None = None
    metadata: Mapping[str, str] | None = None

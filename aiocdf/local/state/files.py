"""Files that were uploaded, as the server keeps them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["File"]


@attrs.frozen(kw_only=True)
class File:
    """What is known of a file; times in epoch milliseconds. Its content is a file beside the database.

    Args:
        id: Its id.
        name: Its name; other files may have the same.
        created_time: When it was made known.
        last_updated_time: When it last changed.
        external_id: Its external id, which no other file has.
        uploaded: Whether its content has arrived.
        uploaded_time: When its content arrived.
        mime_type: What its content is.
        source: Where it comes from.
        directory: The directory that it belongs to.
        data_set_id: The data set that it belongs to.
        metadata: Anything else that users know of it.
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

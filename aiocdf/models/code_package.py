"""The code of a function as a zip file."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from aiocdf.models.html import HtmlTable

__all__ = ["CodePackage"]


@attrs.frozen(kw_only=True)
class CodePackage(HtmlTable):
    """The code of a function as a zip file. The same files give the same bytes on every computer of one kind."""

    #: The size of each file in bytes, by its path in the zip file.
    files: Mapping[str, int] = attrs.field(repr=lambda files: f"<{len(files)} files>")
    #: SHA-256 of the paths and contents only, in hexadecimal.
    digest: str
    #: The zip file.
    content: bytes = attrs.field(repr=False)

    @property
    def size(self) -> int:
        """Return the size of the zip file in bytes."""
        return len(self.content)

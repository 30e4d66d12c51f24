"""The code of a function, packed."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from aiocdf.models.html import HtmlTable

__all__ = ["CodePackage"]


@attrs.frozen(kw_only=True)
class CodePackage(HtmlTable):
    """The code of a function as a zip file; the same files give the same bytes on every computer of one kind."""

    #: Bytes of each file, by its path in the zip file.
    files: Mapping[str, int] = attrs.field(repr=lambda files: f"<{len(files)} files>")
    #: SHA-256 of the paths and contents, in hexadecimal: it depends on nothing else.
    digest: str
    #: The zip file.
    content: bytes = attrs.field(repr=False)

    @property
    def size(self) -> int:
        """Return the bytes to upload."""
        return len(self.content)

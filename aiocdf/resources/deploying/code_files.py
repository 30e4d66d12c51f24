"""The files that hold the code of functions."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from aiocdf.errors import AiocdfError

if TYPE_CHECKING:
    from aiocdf.models.code_package import CodePackage
    from aiocdf.resources.deploying.requests import FunctionRequests
    from aiocdf.resources.files import Files

__all__ = ["CodeFiles"]

# The external id of a file with code is this, and the digest of the code: a project has each code once.
_PREFIX = "aiocdf-code-"
_LONGEST_NAME = 256

_log = logging.getLogger("aiocdf.functions")


class CodeFiles:
    """Uploads code that the project does not have yet, and deletes code that no function has.

    Args:
        files: The resource.
        functions: Say which functions have a file.
    """

    def __init__(self, files: Files, functions: FunctionRequests) -> None:
        self._files = files
        self._functions = functions

    async def find(self, package: CodePackage) -> int | None:
        """Return the id of the file that holds this code, if the project has one."""
        found = await self._files.retrieve_many([_PREFIX + package.digest], ignore_unknown=True)
        return found[0].id if found and found[0].uploaded else None

    async def upload(self, package: CodePackage, name: str, data_set_id: int | None) -> int:
        """Upload code, and return the id of its file.

        Args:
            package: The code.
            name: Of the function.
            data_set_id: The data set of the file.
        """
        _log.info("uploading %d files, %d bytes, for function %s", len(package.files), package.size, name)
        file = await self._files.upload(
            f"{name.replace('/', '-')[: _LONGEST_NAME - 4]}.zip",
            package.content,
            external_id=_PREFIX + package.digest,
            mime_type="application/zip",
            data_set_id=data_set_id,
            overwrite=True,  # what an upload that was cut short left behind
        )
        return file.id

    async def remove_unused(self, file_id: int) -> str | None:
        """Delete a file with code unless a function has it; other files stay.

        Returns:
            Why it may still be there, if that is not known.
        """
        try:
            for file in await self._files.retrieve_many([file_id], ignore_unknown=True):
                if (file.external_id or "").startswith(_PREFIX) and not await self._is_used(file_id):
                    await self._files.delete(file_id, ignore_unknown=True)
        except AiocdfError as error:
            return f"File {file_id} with the code was not deleted: {error}"
        return None

    async def _is_used(self, file_id: int) -> bool:
        return bool((await self._functions.page({"fileId": file_id}, 1)).items)

"""The files that hold the code of functions."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from aiocdf.errors import AiocdfError
from aiocdf.models.code_package import CodePackage

if TYPE_CHECKING:
    from aiocdf.resources.deploying.requests import FunctionRequests
    from aiocdf.resources.files import Files

__all__ = ["CodeFiles"]

# The external id of a file with code is this, and the digest of the code: a project has each code once.
_PREFIX = "aiocdf-code-"
_LONGEST_NAME = 256

_log = logging.getLogger("aiocdf.functions")


class CodeFiles:
    """Uploads code that the project does not have yet, and deletes code that no function has.

    Code is a package, or the id of a file that the user has uploaded, which stays as it is.

    Args:
        files: The resource.
        functions: Say which functions have a file.
    """

    def __init__(self, files: Files, functions: FunctionRequests) -> None:
        self._files = files
        self._functions = functions

    async def find(self, code: CodePackage | int) -> int | None:
        """Return the id of the file that holds this code, if the project has one."""
        if isinstance(code, int):
            return code
        found = await self._files.retrieve_many([_PREFIX + code.digest], ignore_unknown=True)
        return found[0].id if found and found[0].uploaded else None

    async def upload(self, code: CodePackage | int, name: str, data_set_id: int | None) -> int:
        """Upload code, and return the id of its file.

        Args:
            code: The code.
            name: Of the function.
            data_set_id: The data set of the file.
        """
        if isinstance(code, int):
            return code
        _log.info("uploading %d files, %d bytes, for function %s", len(code.files), code.size, name)
        file = await self._files.upload(
            f"{name.replace('/', '-')[: _LONGEST_NAME - 4]}.zip",
            code.content,
            external_id=_PREFIX + code.digest,
            mime_type="application/zip",
            data_set_id=data_set_id,
            overwrite=True,  # what an upload that was cut short left behind
        )
        return file.id

    async def discard(self, code: CodePackage | int, file_id: int, error: AiocdfError) -> None:
        """Delete the file of code that no function was made of, and note in the error if that fails."""
        if isinstance(code, CodePackage) and (left := await self._remove(file_id)):
            error.add_note(left)

    async def discard_old(self, file_id: int | None) -> None:
        """Delete the file of code that was replaced, and log if that fails."""
        if file_id is not None and (left := await self._remove(file_id)):
            _log.warning("%s", left)

    async def _remove(self, file_id: int) -> str | None:
        """Delete a file with code, unless a function has it or someone else has uploaded it; return why that failed."""
        try:
            for file in await self._files.retrieve_many([file_id], ignore_unknown=True):
                if (file.external_id or "").startswith(_PREFIX) and not await self._is_used(file_id):
                    await self._files.delete(file_id, ignore_unknown=True)
        except AiocdfError as error:
            return f"File {file_id} with the code was not deleted: {error}"
        return None

    async def _is_used(self, file_id: int) -> bool:
        return bool((await self._functions.page({"fileId": file_id}, 1)).items)

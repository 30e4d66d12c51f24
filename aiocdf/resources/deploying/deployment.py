"""Creates and replaces functions."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from aiocdf._wire import deployments
from aiocdf.errors import AiocdfError, ApiError, ConnectError, InvalidArgument, ServerError, TransportError
from aiocdf.resources.deploying.readiness import until_ready

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aiocdf.models.code_package import CodePackage
    from aiocdf.models.functions import Function
    from aiocdf.models.kept_schedule import KeptSchedule
    from aiocdf.resources.deploying.code_files import CodeFiles
    from aiocdf.resources.deploying.kept_schedules import KeptSchedules
    from aiocdf.resources.deploying.options import NewFunction
    from aiocdf.resources.deploying.requests import FunctionRequests

__all__ = ["Deployment"]

_log = logging.getLogger("aiocdf.functions")


class Deployment:
    """Uploads code and creates functions from it.

    Args:
        functions: Sends the requests for functions.
        files: Uploads and deletes files with code.
        schedules: Reads and creates the schedules of a function that is replaced.
    """

    def __init__(self, functions: FunctionRequests, files: CodeFiles, schedules: KeptSchedules) -> None:
        self._functions = functions
        self._files = files
        self._schedules = schedules

    async def create(self, new: NewFunction) -> Function:
        """Create a function. Its deployment continues on the service.

        Raises:
            AiocdfError: A step failed. If the service rejected the function, the file uploaded for it is deleted; if that
                fails too, a note of the error says why.
        """
        return await self._create_new(new, await new.code())

    async def replace(self, new: NewFunction) -> Function:
        """Create a function, or replace the one that has the same external id.

        A function that is already as requested is kept. Otherwise it is deleted, because the service does not support
        changing a function. Its schedules are read before, and created again once the new function is `Ready`.

        Raises:
            ReplacementFailed: The function was deleted, or may have been, and something failed. It is the cause of a
                `CancelledError` that comes then.
            AiocdfError: A step failed before the function was deleted; it is unchanged.
        """
        if new.spec.external_id is None:
            raise InvalidArgument("create_or_replace needs external_id, to find the function to replace")
        code = await new.code()
        found = await self._functions.by_ids([new.spec.external_id], ignore_unknown=True)
        return await self._replace(found[0], new, code) if found else await self._create_new(new, code)

    async def _create_new(self, new: NewFunction, code: CodePackage | int) -> Function:
        spec = new.spec
        if spec.cpu is not None or spec.memory is not None or spec.runtime is not None:
            spec.check_limits(await self._functions.limits())
        file_id = await self._files.find(code) or await self._files.upload(code, spec.name, new.data_set_id)
        return await self._create(new, code, file_id)

    async def _replace(self, old: Function, new: NewFunction, code: CodePackage | int) -> Function:
        limits = await self._functions.limits()
        new.spec.check_limits(limits)
        file_id = await self._files.find(code)
        if file_id is not None and file_id == old.file_id and new.spec.matches(old, limits):
            return old
        schedules = await self._schedules.read(old)
        file_id = file_id or await self._files.upload(code, new.spec.name, new.data_set_id)
        with _logging_if_cancelled(old, schedules):
            await self._delete(old, code, file_id, schedules)
            created = await self._create_in_place(old, new, code, file_id, schedules)
        if old.file_id != file_id:
            await self._files.discard_old(old.file_id)
        return created

    async def _create(self, new: NewFunction, code: CodePackage | int, file_id: int) -> Function:
        """Create a function from a file. If the service rejects the function, delete the file."""
        try:
            return await self._functions.create(new.spec.item(file_id))
        except AiocdfError as error:
            if not _is_doubtful(error):
                await self._files.discard(code, file_id, error)
            raise

    async def _delete(
        self, old: Function, code: CodePackage | int, file_id: int, schedules: Sequence[KeptSchedule]
    ) -> None:
        """Delete the function that is replaced. If the service rejects that, nothing has changed."""
        try:
            await self._functions.delete([old.id], ignore_unknown=True)
        except AiocdfError as error:
            if _is_doubtful(error):
                raise deployments.not_replaced(old, None, schedules, error) from error
            await self._files.discard(code, file_id, error)
            raise

    async def _create_in_place(
        self, old: Function, new: NewFunction, code: CodePackage | int, file_id: int, schedules: list[KeptSchedule]
    ) -> Function:
        """Create the function that replaces a deleted one, and its schedules. Each one created leaves the list."""
        created: Function | None = None
        try:
            created = await self._create_or_find(new, code, file_id)
            await self._create_schedules(schedules, created)
        except AiocdfError as error:
            raise deployments.not_replaced(old, created, schedules, error) from error
        return created

    async def _create_or_find(self, new: NewFunction, code: CodePackage | int, file_id: int) -> Function:
        """Create a function whose external id is free. If the answer is lost, look the function up."""
        try:
            return await self._create(new, code, file_id)
        except AiocdfError as error:
            if not _is_doubtful(error) or new.spec.external_id is None:
                raise
            found = await self._functions.by_ids([new.spec.external_id], ignore_unknown=True)
            if not found or found[0].file_id != file_id:
                raise
            return found[0]

    async def _create_schedules(self, schedules: list[KeptSchedule], function: Function) -> None:
        """Create schedules, which the service accepts only for a function that is `Ready`."""
        if schedules:
            await until_ready(self._functions, function.id, None)
        while schedules:
            await self._schedules.create(schedules[0], function)
            del schedules[0]


@contextlib.contextmanager
def _logging_if_cancelled(old: Function, schedules: Sequence[KeptSchedule]) -> Iterator[None]:
    """Log what may be missing if a replacement is cancelled; the cause of the cancellation has the schedules."""
    try:
        yield
    except asyncio.CancelledError as cancelled:
        cancelled.__cause__ = deployments.cut_short(old, schedules)
        _log.warning("%s", cancelled.__cause__)
        raise


def _is_doubtful(error: AiocdfError) -> bool:
    """Return whether a failed request may have taken effect on the service."""
    if isinstance(error, ApiError):
        return isinstance(error, ServerError)
    return isinstance(error, TransportError) and not isinstance(error, ConnectError)

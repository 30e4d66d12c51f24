"""Creates and replaces functions."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from aiocdf._wire import deployments
from aiocdf.errors import AiocdfError, ApiError, ConnectError, InvalidArgument, ServerError, TransportError
from aiocdf.resources.deploying.readiness import until_ready

if TYPE_CHECKING:
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
    """Brings code to the service, and makes functions of it.

    Args:
        functions: Sends the requests.
        files: Those that hold code.
        schedules: Those of a function that is replaced.
    """

    def __init__(self, functions: FunctionRequests, files: CodeFiles, schedules: KeptSchedules) -> None:
        self._functions = functions
        self._files = files
        self._schedules = schedules

    async def create(self, new: NewFunction) -> Function:
        """Create a function; its deployment continues at the service.

        Raises:
            AiocdfError: If the service refused the function, the code that was uploaded for it is deleted, or the
                error's notes say why not.
        """
        return await self._create_new(new, await new.code())

    async def replace(self, new: NewFunction) -> Function:
        """Create a function in the place of the one that has its external id.

        One that is already as wanted stays. Otherwise it is deleted, for the service cannot change a function. Its
        schedules are read before, and created again once the new function is `Ready`.

        Raises:
            ReplacementFailed: The function was deleted, and what followed failed.
            AiocdfError: The function is as it was.
        """
        if new.spec.external_id is None:
            raise InvalidArgument("create_or_replace needs external_id, by which it finds the function to replace")
        code = await new.code()
        found = await self._functions.by_ids([new.spec.external_id], ignore_unknown=True)
        return await self._replace(found[0], new, code) if found else await self._create_new(new, code)

    async def _create_new(self, new: NewFunction, code: CodePackage | int) -> Function:
        spec = new.spec
        if spec.cpu is not None or spec.memory is not None or spec.runtime is not None:
            spec.check_limits(await self._functions.limits())
        return await self._create(new, code, await self._find(code) or await self._upload(new, code))

    async def _replace(self, old: Function, new: NewFunction, code: CodePackage | int) -> Function:
        limits = await self._functions.limits()
        new.spec.check_limits(limits)
        file_id = await self._find(code)
        if file_id is not None and file_id == old.file_id and new.spec.matches(old, limits):
            return old
        schedules = await self._schedules.read(old)
        file_id = file_id or await self._upload(new, code)
        await self._delete(old, code, file_id)
        created = await self._swap(old, new, code, file_id, schedules)
        if (
            old.file_id is not None
            and old.file_id != file_id
            and (left := await self._files.remove_unused(old.file_id))
        ):
            _log.warning("%s", left)
        return created

    async def _swap(
        self, old: Function, new: NewFunction, code: CodePackage | int, file_id: int, schedules: list[KeptSchedule]
    ) -> Function:
        """Create the function that follows a deleted one, with its schedules."""
        created: Function | None = None
        try:
            created = await self._create_or_find(new, code, file_id)
            await self._create_schedules(schedules, created)
        except AiocdfError as error:
            raise deployments.not_replaced(old, created, schedules, error) from error
        except asyncio.CancelledError:
            _log.warning(
                "the replacement of function %s was cancelled after function %d was deleted; function created: %s; "
                "schedules not created: %s",
                old.external_id,
                old.id,
                created and created.id,
                [schedule.name for schedule in schedules],
            )
            raise
        return created

    async def _find(self, code: CodePackage | int) -> int | None:
        """Return the file that has this code already."""
        return code if isinstance(code, int) else await self._files.find(code)

    async def _upload(self, new: NewFunction, code: CodePackage | int) -> int:
        return code if isinstance(code, int) else await self._files.upload(code, new.spec.name, new.data_set_id)

    async def _create(self, new: NewFunction, code: CodePackage | int, file_id: int) -> Function:
        """Create a function of a file; code for a function that the service refused is deleted."""
        try:
            return await self._functions.create(new.spec.item(file_id))
        except AiocdfError as error:
            if not _may_exist(error):
                await self._clean_up(code, file_id, error)
            raise

    async def _create_or_find(self, new: NewFunction, code: CodePackage | int, file_id: int) -> Function:
        """Create a function whose external id was free; if the answer gets lost, look for it."""
        try:
            return await self._create(new, code, file_id)
        except AiocdfError as error:
            if not _may_exist(error) or new.spec.external_id is None:
                raise
            found = await self._functions.by_ids([new.spec.external_id], ignore_unknown=True)
            if not found or found[0].file_id != file_id:
                raise
            return found[0]

    async def _delete(self, old: Function, code: CodePackage | int, file_id: int) -> None:
        try:
            await self._functions.delete([old.id], ignore_unknown=True)
        except AiocdfError as error:
            await self._clean_up(code, file_id, error)
            raise

    async def _create_schedules(self, schedules: list[KeptSchedule], function: Function) -> None:
        """Create schedules, and remove each from the list; the service takes them only for a function that is `Ready`."""
        if schedules:
            await until_ready(self._functions, function.id, None)
        while schedules:
            await self._schedules.create(schedules[0], function)
            del schedules[0]

    async def _clean_up(self, code: CodePackage | int, file_id: int, error: AiocdfError) -> None:
        """Delete code that was uploaded for nothing, and note in the error if that fails."""
        if not isinstance(code, int) and (left := await self._files.remove_unused(file_id)):
            error.add_note(left)


def _may_exist(error: AiocdfError) -> bool:
    """Return whether a request that failed may have created the function."""
    if isinstance(error, ApiError):
        return isinstance(error, ServerError)
    return isinstance(error, TransportError) and not isinstance(error, ConnectError)

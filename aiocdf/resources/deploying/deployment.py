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
            ReplacementFailed: The function was deleted, or may have been, and something failed. It is the cause of a
                `CancelledError` that comes then.
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
        with _telling_if_cancelled(old, schedules):
            await self._delete(old, code, file_id, schedules)
            created = await self._create_in_place(old, new, code, file_id, schedules)
        if old.file_id != file_id:
            await self._files.discard_old(old.file_id)
        return created

    async def _create(self, new: NewFunction, code: CodePackage | int, file_id: int) -> Function:
        """Create a function of a file; code for a function that the service refused is deleted."""
        try:
            return await self._functions.create(new.spec.item(file_id))
        except AiocdfError as error:
            if not _is_doubtful(error):
                await self._files.discard(code, file_id, error)
            raise

    async def _delete(
        self, old: Function, code: CodePackage | int, file_id: int, schedules: Sequence[KeptSchedule]
    ) -> None:
        """Delete the function that is replaced; if the service refuses that, everything is as it was."""
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
        """Create the function in the place of a deleted one, and its schedules, which leave the list one by one."""
        created: Function | None = None
        try:
            created = await self._create_or_find(new, code, file_id)
            await self._create_schedules(schedules, created)
        except AiocdfError as error:
            raise deployments.not_replaced(old, created, schedules, error) from error
        return created

    async def _create_or_find(self, new: NewFunction, code: CodePackage | int, file_id: int) -> Function:
        """Create a function whose external id is free; if the answer gets lost, look for it."""
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
def _telling_if_cancelled(old: Function, schedules: Sequence[KeptSchedule]) -> Iterator[None]:
    """Name in the log what may be missing if a replacement is cancelled; the cause of the cancellation has the schedules."""
    try:
        yield
    except asyncio.CancelledError as cancelled:
        cancelled.__cause__ = deployments.cut_short(old, schedules)
        _log.warning("%s", cancelled.__cause__)
        raise


def _is_doubtful(error: AiocdfError) -> bool:
    """Return whether the service may have done what a failed request asked for."""
    if isinstance(error, ApiError):
        return isinstance(error, ServerError)
    return isinstance(error, TransportError) and not isinstance(error, ConnectError)

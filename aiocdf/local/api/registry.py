"""All functions of the project: those of the folder, and those created through the API."""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING

import attrs

from aiocdf.errors import ConfigError
from aiocdf.local.http.problems import Problem
from aiocdf.local.runtime.archive import unpack
from aiocdf.local.runtime.catalogue import Function
from aiocdf.local.runtime.deployment import Deployment, read_deployment

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aiocdf.local.runtime.builder import Builder
    from aiocdf.local.runtime.catalogue import Catalogue
    from aiocdf.local.state.clouds import Cloud
    from aiocdf.local.state.functions import FunctionRecord
    from aiocdf.local.state.store import Store

__all__ = ["FunctionRegistry"]

#: The fields that a `FunctionRecord` and a `Deployment` share.
_SETTINGS = (
    "name",
    "function_path",
    "secrets",
    "env_vars",
    "cpu",
    "memory",
    "runtime",
    "index_url",
    "extra_index_urls",
    "description",
    "owner",
    "metadata",
)


@attrs.define(kw_only=True, eq=False)
class FunctionRegistry:
    """All functions. Call `load` first: it builds the functions that were created before a restart.

    Args:
        catalogue: The functions of the folder.
        store: Stores the functions created through the API.
        builder: Builds the functions created through the API.
        cloud: The timeout, CPU and memory that functions can have.
    """

    _catalogue: Catalogue
    _store: Store
    _builder: Builder
    _cloud: Cloud
    _created: dict[int, Function] = attrs.field(factory=dict, init=False)

    async def load(self) -> None:
        """Build the functions that were created before a restart."""
        for record in reversed(await self._store.functions()):
            await self._deploy(record)

    async def functions(self) -> Mapping[int, Function]:
        """Return all functions by id. The functions of the folder are as they are on disk now."""
        return {**await self._catalogue.functions(), **self._created}

    async def function(self, function_id: int) -> Function:
        """Return a function.

        Raises:
            Problem: No function has this id.
        """
        found = self._created.get(function_id) or (await self._catalogue.functions()).get(function_id)
        if found is None:
            raise Problem(400, f"Unknown function id: {function_id}", missing=[{"id": function_id}])
        return found

    async def settled(self, function: Function) -> Function:
        """Return a function when its build has ended, or after a few seconds."""
        return await self._catalogue.settled(function)

    async def create(self, record: FunctionRecord) -> Function | None:
        """Store a function and build it in the background. Return None if another function has its external id."""
        taken = {function.external_id for function in (await self._catalogue.functions()).values()}
        if record.external_id is not None and record.external_id in taken:
            return None
        folder = self._store.code_folder(record.id)
        try:
            # First, so that a stored function has its complete code, even if the server is killed.
            await asyncio.to_thread(unpack, self._store.content_path(record.file_id), folder)
        except ConfigError as error:
            record = attrs.evolve(record, error_message=str(error))
        if not await self._store.add_function(record):
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
            return None
        return await self._deploy(record)

    async def delete(self, functions: Iterable[Function]) -> None:
        """Delete functions created through the API, their code and schedules, and the sessions of the schedules."""
        ids = [function.id for function in functions if function.id in self._created]
        schedules = [schedule for schedule in await self._store.schedules() if schedule.function_id in ids]
        await self._store.revoke_sessions([schedule.session_id for schedule in schedules])
        await self._store.delete_functions(ids)
        for function_id in ids:
            self._created.pop(function_id, None)
            folder = self._store.code_folder(function_id)
            self._builder.forget(folder)
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    def is_created(self, function: Function) -> bool:
        """Return whether a function was created through the API. Otherwise it belongs to the folder."""
        return function.id in self._created

    async def _deploy(self, record: FunctionRecord) -> Function:
        """Start the build of a function, and add it to the functions."""
        deployment = await asyncio.to_thread(self._read, record)
        function = Function(
            id=record.id,
            created_time=record.created_time,
            deployment=deployment,
            build=self._builder.begin(deployment),
            record=record,
        )
        self._created[record.id] = function
        return function

    def _read(self, record: FunctionRecord) -> Deployment:
        folder = self._store.code_folder(record.id)
        settings = {name: getattr(record, name) for name in _SETTINGS if getattr(record, name) is not None}
        found = read_deployment(folder, external_id=record.external_id or record.name, settings=settings)
        deployment = found.within(self._cloud)
        if record.error_message is not None:
            return attrs.evolve(deployment, error=record.error_message)
        if not (folder / record.function_path).is_file():
            error = f'No Python module found at location "{record.function_path}" in zip-file.'
            return attrs.evolve(deployment, error=error)
        return deployment

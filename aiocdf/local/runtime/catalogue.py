"""The functions that are on disk now, and their ids."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING

import attrs

from aiocdf.local.runtime.deployment import discover
from aiocdf.local.state.clouds import CLOUDS
from aiocdf.local.state.records import now_ms

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from aiocdf.local.runtime.builder import Build, Builder
    from aiocdf.local.runtime.deployment import Deployment
    from aiocdf.local.state.clouds import Cloud
    from aiocdf.local.state.functions import FunctionRecord

__all__ = ["Catalogue", "Function", "identified"]

ID_BITS = 53
_BUILD_PATIENCE = 5.0


@attrs.frozen(kw_only=True)
class Function:
    """A function of the project.

    Args:
        id: The id of the function.
        created_time: When the server first found it, in epoch milliseconds.
        deployment: The function as it is on disk.
        build: The state of its build.
        record: The stored request, if the function was created through the API; None for a function of the folder.
    """

    id: int
    created_time: int
    deployment: Deployment
    build: Build
    record: FunctionRecord | None = None

    @property
    def external_id(self) -> str | None:
        """The external id. A function of the folder always has one."""
        return self.deployment.external_id if self.record is None else self.record.external_id


@attrs.define
class Catalogue:
    """The functions below a folder. It reads the folder for each request that needs them.

    Args:
        root: The folder.
        builder: Builds functions that are new or have changed.
        cloud: The timeout, CPU and memory that functions can have.
    """

    _root: Path
    _builder: Builder
    _cloud: Cloud = CLOUDS["gcp"]
    _functions: dict[int, Function] = attrs.field(factory=dict, init=False)
    _created: dict[int, int] = attrs.field(factory=dict, init=False)
    _lock: asyncio.Lock = attrs.field(factory=asyncio.Lock, init=False)
    _begun: int = attrs.field(default=0, init=False)
    _seen: int = attrs.field(default=0, init=False)

    @property
    def last_seen(self) -> Mapping[int, Function]:
        """The functions by id, as they were when the folder was last read."""
        return self._functions

    async def functions(self) -> Mapping[int, Function]:
        """Return the functions by id, as they are on disk at or after the time of this call."""
        begun = self._begun
        async with self._lock:
            # A read that was under way may miss recent changes. Callers that arrive during it share the next read.
            if self._seen <= begun:
                await self._look()
        return self._functions

    async def _look(self) -> None:
        self._begun += 1
        look = self._begun
        found = [each.within(self._cloud) for each in await asyncio.to_thread(discover, self._root)]
        before, self._functions = (
            self._functions,
            {
                function_id: Function(
                    id=function_id,
                    created_time=self._created.setdefault(function_id, now_ms()),
                    deployment=deployment,
                    build=self._builder.begin(deployment),
                )
                for function_id, deployment in identified(found).items()
            },
        )
        paths = {function.deployment.path for function in self._functions.values()}
        for path in {function.deployment.path for function in before.values()} - paths:
            self._builder.forget(path)
        self._seen = look

    async def settled(self, function: Function) -> Function:
        """Return a function when its build has ended, or after a few seconds. So calls after an edit wait for it."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_BUILD_PATIENCE):
                return attrs.evolve(function, build=await self._builder.finished(function.deployment))
        return function


def identified(deployments: Iterable[Deployment]) -> dict[int, Deployment]:
    """Return deployments by id: the id from the settings, or a stable one derived from the external id."""
    ordered = sorted(deployments, key=lambda deployment: deployment.external_id)
    taken: dict[int, Deployment] = {}
    for deployment in ordered:
        if deployment.id is not None:
            taken.setdefault(deployment.id, deployment)
    for deployment in ordered:
        if deployment.id is None:
            taken[_derived_id(deployment.external_id, taken)] = deployment
        elif (owner := taken[deployment.id]) is not deployment:
            error = f"the function {owner.external_id!r} has the same id {deployment.id}: change one of the two ids"
            taken[_derived_id(deployment.external_id, taken)] = attrs.evolve(deployment, error=error)
    return taken


def _derived_id(external_id: str, taken: Mapping[int, Deployment]) -> int:
    """Return the first unused id of an infinite series derived from the external id."""
    for attempt in count():
        digest = hashlib.sha256(f"{attempt}:{external_id}".encode()).digest()
        candidate = int.from_bytes(digest[:8]) >> (64 - ID_BITS)
        if candidate and candidate not in taken:
            return candidate
    raise AssertionError  # pragma: no cover - the series is infinite

"""The pool of warm worker processes. POSIX only: it needs process groups and inherited descriptors."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, TypeVar

import attrs

from aiocdf.local.runtime.invocation import Invocation, Outcome
from aiocdf.local.runtime.process import NeverStarted, WorkerProcess

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path
    from typing import Any

    from aiocdf.local.runtime.deployment import Deployment
    from aiocdf.local.runtime.output import OnLog

__all__ = ["Invocation", "Outcome", "WorkerPool"]

_T = TypeVar("_T")

_IDLE_SECONDS = 60.0
_FUNCTIONS_AT_FULL_SIZE = 4
_STOPPED = Outcome(status="Failed", message="the local server was stopped")


@attrs.define
class _Function:
    """One function's share: its places, and its newest deployment."""

    places: asyncio.Semaphore
    deployment: Deployment


class WorkerPool:
    """Runs calls, each in a child process of its function, and keeps the children warm for the next.

    A function's children are made when they are needed and end after a minute without work, or when its code changed.
    Calls beyond the places wait in line. All functions together get four times the places of one.

    Args:
        workers_per_function: How many children a function has at the most; None for twice the processors, four at least.
    """

    def __init__(self, *, workers_per_function: int | None = None) -> None:
        self._workers_per_function = workers_per_function or max(4, 2 * (os.cpu_count() or 1))
        self._ceiling = self._workers_per_function * _FUNCTIONS_AT_FULL_SIZE
        self._places = asyncio.Semaphore(self._ceiling)
        self._functions: dict[Path, _Function] = {}
        self._busy: set[WorkerProcess] = set()
        self._idle: dict[WorkerProcess, asyncio.TimerHandle] = {}  # the longest idle first
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed = False

    async def run(self, deployment: Deployment, invocation: Invocation, on_log: OnLog) -> Outcome:
        """Run one call and return how it ended. Cancelling this kills the child that runs it.

        Args:
            deployment: The function, as it is on disk now.
            invocation: What the call is given.
            on_log: Called in the event loop with each line the function prints and its time in epoch milliseconds,
                always before this returns.
        """
        # A task of our own, so that `aclose` can wait for the end of the call without waiting for the caller.
        return await self._own(self._run(deployment, invocation, on_log))

    async def aclose(self) -> None:
        """Kill all children and wait for their ends; calls that run or wait fail."""
        self._closed = True
        for worker in self._busy:
            worker.kill()
        for worker in list(self._idle):
            self._retire(worker)
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _run(self, deployment: Deployment, invocation: Invocation, on_log: OnLog) -> Outcome:
        function = self._functions.setdefault(
            deployment.path, _Function(asyncio.Semaphore(self._workers_per_function), deployment)
        )
        function.deployment = deployment
        async with function.places, self._places:
            while not self._closed:
                try:
                    worker, fresh = self._take(function.deployment)
                except OSError as error:
                    return _no_start(error)
                try:
                    outcome = await worker.call(invocation, on_log)
                except NeverStarted as error:
                    if fresh and not self._closed:
                        return _no_start(error)
                else:
                    return _STOPPED if self._closed and worker.spent else outcome
                finally:
                    self._give_back(worker, function.deployment)
        return _STOPPED

    def _take(self, deployment: Deployment) -> tuple[WorkerProcess, bool]:
        """Return an idle child of the function as it is now, or a fresh one, and which of the two it is."""
        for worker in reversed(list(self._idle)):
            if worker.deployment.path == deployment.path:
                if worker.deployment.fingerprint == deployment.fingerprint:
                    self._idle.pop(worker).cancel()
                    self._busy.add(worker)
                    return worker, False
                self._retire(worker)
        if len(self._idle) + len(self._busy) >= self._ceiling:
            self._retire(next(iter(self._idle)))
        worker = WorkerProcess(deployment)
        self._busy.add(worker)
        return worker, True

    def _give_back(self, worker: WorkerProcess, newest: Deployment) -> None:
        self._busy.remove(worker)
        if worker.spent:
            self._own(worker.end())
        elif self._closed or worker.deployment.fingerprint != newest.fingerprint:
            self._own(worker.retire())
        else:
            self._idle[worker] = asyncio.get_running_loop().call_later(_IDLE_SECONDS, self._retire, worker)

    def _retire(self, worker: WorkerProcess) -> None:
        self._idle.pop(worker).cancel()
        self._own(worker.retire())

    def _own(self, work: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _no_start(error: Exception) -> Outcome:
    return Outcome(status="Failed", message=f"the function's process could not be started: {error}")

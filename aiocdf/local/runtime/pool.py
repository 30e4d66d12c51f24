"""The pool of warm worker processes. POSIX only: it needs process groups, and passes file descriptors."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from typing import TYPE_CHECKING, TypeVar

import attrs

from aiocdf.local.runtime.fork_server import ForkServer, NoStart
from aiocdf.local.runtime.invocation import Invocation, Outcome
from aiocdf.local.runtime.process import WorkerProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path
    from typing import Any

    from aiocdf.local.runtime.deployment import Deployment
    from aiocdf.local.runtime.output import OnLog

__all__ = ["Invocation", "Outcome", "WorkerPool", "default_processes"]

_T = TypeVar("_T")

_IDLE_SECONDS = 60.0
# More parallel starts are not faster: a start is CPU-bound.
_STARTS_AT_ONCE = 4
_MOST_PROCESSES = 250
_LEAST_PROCESSES = 4
_BYTES_PER_PROCESS = 64 * 2**20
_STOPPED = Outcome(status="Failed", message="the local server was stopped")


def default_processes() -> int:
    """Return how many worker processes may run on this machine: one for each 64 MiB of memory, from 4 to 250."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(_LEAST_PROCESSES, min(_MOST_PROCESSES, memory // _BYTES_PER_PROCESS))


@attrs.define(eq=False)
class _Line:
    """One function: its newest deployment, its worker processes, and the calls that wait for one."""

    deployment: Deployment
    waiting: deque[asyncio.Future[tuple[WorkerProcess, bool]]] = attrs.field(factory=deque)
    idle: dict[WorkerProcess, asyncio.TimerHandle] = attrs.field(factory=dict)  # the one idle longest comes first
    starting: int = 0
    busy: int = 0

    @property
    def size(self) -> int:
        """How many worker processes the function has."""
        return self.starting + self.busy + len(self.idle)


class WorkerPool:
    """Runs each call in a worker process of its function, and keeps idle worker processes for the next calls.

    Worker processes start when calls wait for them, a few at a time. They end after a minute without a call, or when
    the code changes. At the limit, calls wait. One function uses at most four fifths of the worker processes, so that
    a function that calls another one cannot block the call that it waits for.

    Args:
        processes: How many worker processes may exist at once; None computes it from the memory of the machine.
    """

    def __init__(self, *, processes: int | None = None) -> None:
        self.processes: int = processes or default_processes()
        self._per_function = max(1, self.processes * 4 // 5)
        self._lines: dict[Path, _Line] = {}
        self._busy: set[WorkerProcess] = set()
        self._fork_servers: dict[tuple[str, tuple[str, ...]], asyncio.Task[ForkServer]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed = False

    async def run(
        self,
        deployment: Deployment,
        invocation: Invocation | None,
        on_log: OnLog,
        on_begin: Callable[[], None] = lambda: None,
    ) -> Outcome:
        """Run one call and return its outcome. Cancelling this kills the process that runs the call.

        Args:
            deployment: The function, as it is on disk now.
            invocation: The input of the call; None only imports and checks the handler.
            on_log: Called in the event loop with the time in epoch milliseconds and each line that the function prints,
                always before this returns.
            on_begin: Called when the function starts to run, after the call got a process.
        """
        # In a separate task, so that `aclose` can wait for the end of the call without waiting for the caller.
        return await self._start_task(self._run(deployment, invocation, on_log, on_begin))

    async def aclose(self) -> None:
        """Kill all worker processes and wait until they have ended. Calls that run or wait fail."""
        self._closed = True
        for worker in self._busy:
            worker.kill()
        for line in self._lines.values():
            for worker in list(line.idle):
                self._retire(line, worker)
            while future := _next(line.waiting):
                future.set_exception(NoStart("the local server was stopped"))
        for starting in self._fork_servers.values():
            starting.cancel()  # does nothing to one that has started
        while self._tasks:
            await asyncio.wait(self._tasks)
        servers = await asyncio.gather(*self._fork_servers.values(), return_exceptions=True)
        await asyncio.gather(*(server.aclose() for server in servers if isinstance(server, ForkServer)))

    async def _run(
        self, deployment: Deployment, invocation: Invocation | None, on_log: OnLog, on_begin: Callable[[], None]
    ) -> Outcome:
        line = self._lines.setdefault(deployment.path, _Line(deployment))
        line.deployment = deployment
        while not self._closed:
            try:
                worker, fresh = await self._take(line)
            except NoStart as error:
                return _STOPPED if self._closed else _no_start(error)
            try:
                outcome = await worker.call(invocation, on_log, on_begin)
            except NoStart as error:
                if fresh and not self._closed:
                    return _no_start(error)
            else:
                return _STOPPED if self._closed and worker.spent else outcome
            finally:
                self._give_back(line, worker)
        return _STOPPED

    async def _take(self, line: _Line) -> tuple[WorkerProcess, bool]:
        """Return a process that runs the function's present code, and whether the process is new."""
        self._retire_old(line)
        if line.idle and not line.waiting:
            worker, timer = line.idle.popitem()
            timer.cancel()
            self._lend(line, worker)
            return worker, False
        future: asyncio.Future[tuple[WorkerProcess, bool]] = asyncio.get_running_loop().create_future()
        line.waiting.append(future)
        self._start_more()
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                self._give_back(line, future.result()[0])
            elif future in line.waiting:
                line.waiting.remove(future)
            raise

    def _lend(self, line: _Line, worker: WorkerProcess) -> None:
        line.busy += 1
        self._busy.add(worker)

    def _give_back(self, line: _Line, worker: WorkerProcess) -> None:
        line.busy -= 1
        self._busy.remove(worker)
        self._offer(line, worker, fresh=False)

    def _offer(self, line: _Line, worker: WorkerProcess, *, fresh: bool) -> None:
        """Give a process to the call that waits longest, or keep it for the next call."""
        if worker.spent:
            self._start_task(self._gone(worker.end()))
        elif self._closed or worker.deployment != line.deployment:
            self._start_task(self._gone(worker.retire()))
        elif future := _next(line.waiting):
            self._lend(line, worker)
            future.set_result((worker, fresh))
        else:
            later = asyncio.get_running_loop().call_later
            line.idle[worker] = later(_IDLE_SECONDS, self._retire, line, worker)
        self._start_more()

    def _start_more(self) -> None:
        """Start processes for waiting calls while there is room. The function with the fewest processes comes first."""
        while not self._closed and sum(line.starting for line in self._lines.values()) < _STARTS_AT_ONCE:
            short = [
                line
                for line in self._lines.values()
                if len(line.waiting) > line.starting and line.size < self._per_function
            ]
            if not short or not self._make_room():
                return
            line = min(short, key=lambda line: line.size)
            line.starting += 1
            self._start_task(self._start(line))

    def _make_room(self) -> bool:
        """Return whether one more process may start. At the limit, first end the one that was idle longest."""
        if sum(line.size for line in self._lines.values()) < self.processes:
            return True
        idle = [line for line in self._lines.values() if line.idle]
        if idle:
            line = min(idle, key=lambda line: next(iter(line.idle.values())).when())
            self._retire(line, next(iter(line.idle)))
        return bool(idle)

    async def _start(self, line: _Line) -> None:
        try:
            worker = await WorkerProcess.start(line.deployment, await self._fork_server(line.deployment))
        except (NoStart, OSError) as error:
            line.starting -= 1
            if future := _next(line.waiting):
                future.set_exception(error if isinstance(error, NoStart) else NoStart(str(error)))
            self._start_more()
        except BaseException:
            line.starting -= 1
            raise
        else:
            line.starting -= 1
            self._offer(line, worker, fresh=True)

    async def _fork_server(self, deployment: Deployment) -> ForkServer:
        """Return the fork server of the function's Python. Functions with the same Python share it."""
        key = (deployment.python, ("cognite.client",) if deployment.takes_client else ())
        task = self._fork_servers.get(key)
        if task is not None and task.done() and (task.cancelled() or task.exception()):
            task = None
        if task is not None and task.done() and (ended := task.result()).ended:
            self._start_task(ended.aclose())
            task = None
        if task is None:
            task = self._fork_servers[key] = asyncio.create_task(ForkServer.start(*key))
        return await asyncio.shield(task)

    def _retire_old(self, line: _Line) -> None:
        for worker in [worker for worker in line.idle if worker.deployment != line.deployment]:
            self._retire(line, worker)

    def _retire(self, line: _Line, worker: WorkerProcess) -> None:
        line.idle.pop(worker).cancel()
        self._start_task(self._gone(worker.retire()))

    async def _gone(self, end: Coroutine[Any, Any, object]) -> None:
        await end
        self._start_more()

    def _start_task(self, work: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _next(
    waiting: deque[asyncio.Future[tuple[WorkerProcess, bool]]],
) -> asyncio.Future[tuple[WorkerProcess, bool]] | None:
    """Remove and return the call that waits longest; None if no call waits."""
    while waiting:
        future = waiting.popleft()
        if not future.done():
            return future
    return None


def _no_start(error: Exception) -> Outcome:
    return Outcome(status="Failed", message=f"starting the function's process failed: {error}")

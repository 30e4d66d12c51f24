"""What runs functions on a worker of a Dask cluster: aiocdf must be installed there.

A call is a task of Dask. The task makes the function ready, says so, and waits to be granted: the server grants a call
once, so that Dask, which repeats the tasks of a worker that it has lost, does not repeat a call.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import attrs
from distributed import Reschedule, get_worker
from distributed.diagnostics.plugin import WorkerPlugin

from aiocdf.errors import ConfigError
from aiocdf.local.runtime.dask.wire import open_invocation
from aiocdf.local.runtime.environments import Environments, default_cache
from aiocdf.local.runtime.invocation import Outcome
from aiocdf.local.runtime.machine import Machine
from aiocdf.local.runtime.pool import WorkerPool

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from distributed import Worker

    from aiocdf.local.runtime.dask.wire import Sealed
    from aiocdf.local.runtime.deployment import Deployment
    from aiocdf.local.runtime.executor import Deployed
    from aiocdf.local.runtime.invocation import Invocation

__all__ = ["HOST", "CallTask", "Host", "deploy_function", "grant_call", "host_of", "run_call"]

HOST = "aiocdf-host"
_LOG_EVERY = 0.1  # seconds
_LOG_PIECE = 64 * 1024


@attrs.frozen(kw_only=True)
class CallTask:
    """A call, as the task on a worker is told.

    Args:
        key: The key of the task.
        bundle: The name of the function's code.
        topic: Under which topic the server hears of the call.
        log_bytes: How much log text the server keeps.
    """

    key: str
    bundle: str
    topic: str
    log_bytes: int


class Host(WorkerPlugin):
    """Runs function instances on a worker, for all servers that use the cluster."""

    idempotent = True

    def setup(self, worker: Worker) -> None:
        """Begin."""
        # The pool gives one function four fifths of its processes, and a function may use all threads of the worker.
        processes = -(-worker.state.nthreads * 5 // 4)
        self._worker = worker
        self._machine = Machine(WorkerPool(processes=processes), Environments(default_cache() / "environments"))
        self._deployments: dict[str, Deployment] = {}
        self._deployed: dict[str, asyncio.Task[Deployed]] = {}
        self._grants: dict[str, asyncio.Future[Sealed]] = {}
        self._work: dict[str, asyncio.Task[dict[str, Any]]] = {}

    async def teardown(self, worker: Worker) -> None:  # noqa: ARG002 - what Dask passes
        """End all function instances."""
        for task in (*self._work.values(), *self._deployed.values()):
            task.cancel()
        await self._machine.aclose()

    def transition(self, key: Any, start: str, finish: str, **_: Any) -> None:
        """End the work on a task that was cancelled; Dask itself lets it run on."""
        if start == "executing" and finish == "released" and key in self._work:
            self._work[key].cancel()

    def add(self, name: str, deployment: Deployment) -> None:
        """Make a function known."""
        self._deployments[name] = deployment

    def remove(self, name: str) -> None:
        """Forget a function."""
        self._deployments.pop(name, None)
        if task := self._deployed.pop(name, None):
            task.cancel()

    def grant(self, key: str, invocation: Sealed) -> None:
        """Let a call begin."""
        if (future := self._grants.get(key)) is not None and not future.done():
            future.set_result(invocation)

    async def own(self, key: str, work: Coroutine[Any, Any, dict[str, Any]]) -> dict[str, Any]:
        """Do the work of a task.

        Raises:
            Reschedule: It was cut short: if it is still wanted, Dask does it elsewhere.
        """
        task = self._work[key] = asyncio.create_task(work)
        try:
            await asyncio.wait([task])
        finally:
            task.cancel()
            del self._work[key]
        if task.cancelled():
            raise Reschedule
        return task.result()

    async def deploy(self, name: str) -> dict[str, Any]:
        """Make a function ready, and return the version of its Python, or an error."""
        try:
            return {"runtime_version": (await self._ready(name)).runtime_version}
        except ConfigError as error:
            return {"error": str(error)}

    async def run(self, task: CallTask) -> dict[str, Any]:
        """Run a call once it is granted, and return how it ended."""
        try:
            deployed = await self._ready(task.bundle)
        except ConfigError as error:
            return _as_dict(Outcome(status="Failed", message=str(error)))
        invocation = await self._granted(task)
        report = _Report(self._worker, task)
        outcome = await self._machine.run(deployed.deployment, invocation, report.add, report.begin)
        report.flush()
        return _as_dict(outcome)

    async def _granted(self, task: CallTask) -> Invocation:
        future = self._grants[task.key] = asyncio.get_running_loop().create_future()
        try:
            self._worker.log_event(task.topic, {"call": task.key, "ready": self._worker.address})
            return open_invocation(await future)
        finally:
            del self._grants[task.key]

    async def _ready(self, name: str) -> Deployed:
        """Return a function that is ready to be called. All who ask meanwhile share the work."""
        if name not in self._deployments:
            raise ConfigError(f"the worker {self._worker.address} does not have the function's code; its log says why")
        task = self._deployed.get(name)
        if task is None or (task.done() and (task.cancelled() or task.exception())):
            task = self._deployed[name] = asyncio.create_task(self._machine.deploy(self._deployments[name]))
        return await asyncio.shield(task)


class _Report:
    """Tells the server what a call does, in pieces."""

    def __init__(self, worker: Worker, task: CallTask) -> None:
        self._worker = worker
        self._task = task
        self._room = task.log_bytes
        self._lines: list[tuple[int, str]] = []
        self._size = 0
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Tell that the call begins to work."""
        self._worker.log_event(self._task.topic, {"call": self._task.key, "begun": True})

    def add(self, timestamp: int, line: str) -> None:
        """Tell a line soon. What the server would drop is not sent."""
        if self._room <= 0:
            return
        self._room -= len(line) + 1
        self._size += len(line) + 1
        self._lines.append((timestamp, line))
        if self._size > _LOG_PIECE:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_LOG_EVERY, self.flush)

    def flush(self) -> None:
        """Tell the lines that were not told before."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._lines:
            self._worker.log_event(self._task.topic, {"call": self._task.key, "lines": self._lines})
        self._lines, self._size = [], 0


def _as_dict(outcome: Outcome) -> dict[str, Any]:
    return attrs.asdict(outcome)


def host_of(worker: Worker) -> Host:
    """Return what runs functions on a worker."""
    host = worker.plugins[HOST]
    assert isinstance(host, Host)  # noqa: S101 - for the type checker: nothing else has the name
    return host


async def deploy_function(key: str, bundle: str) -> dict[str, Any]:
    """Make a function ready: the task of Dask.

    Args:
        key: The key of the task.
        bundle: The name of the function's code.
    """
    host = host_of(get_worker())
    return await host.own(key, host.deploy(bundle))


async def run_call(task: CallTask) -> dict[str, Any]:
    """Run a call: the task of Dask."""
    host = host_of(get_worker())
    return await host.own(task.key, host.run(task))


def grant_call(key: str, invocation: Sealed, dask_worker: Worker) -> None:
    """Let a call begin on a worker, outside of any task.

    Args:
        key: The key of the call's task.
        invocation: What the call is given.
        dask_worker: The worker, put in by Dask.
    """
    host_of(dask_worker).grant(key, invocation)

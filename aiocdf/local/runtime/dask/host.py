"""The plugin that runs functions on a worker of a Dask cluster. aiocdf must be installed there.

A call is a Dask task. The task makes the function ready, reports this, and waits for a grant. Dask repeats the tasks of
a lost worker; the server grants a call only once, so that the function does not run twice.
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
    """The arguments of the task that runs a call.

    Args:
        key: The key of the task.
        bundle: The name of the bundle with the function's code.
        topic: The Dask topic for reports to the server.
        log_bytes: How many bytes of log text the server keeps.
    """

    key: str
    bundle: str
    topic: str
    log_bytes: int


class Host(WorkerPlugin):
    """Runs function instances on a worker for all servers that use the cluster."""

    idempotent = True

    def setup(self, worker: Worker) -> None:
        """Start the plugin on a worker."""
        # One function gets at most four fifths of the pool's processes, and it may use all threads of the worker.
        processes = -(-worker.state.nthreads * 5 // 4)
        self._worker = worker
        self._machine = Machine(WorkerPool(processes=processes), Environments(default_cache() / "environments"))
        self._deployments: dict[str, Deployment] = {}
        self._deployed: dict[str, asyncio.Task[Deployed]] = {}
        self._grants: dict[str, asyncio.Future[Sealed]] = {}
        self._work: dict[str, asyncio.Task[dict[str, Any]]] = {}

    async def teardown(self, worker: Worker) -> None:  # noqa: ARG002 - Dask passes it
        """End all function instances."""
        for task in (*self._work.values(), *self._deployed.values()):
            task.cancel()
        await self._machine.aclose()

    def transition(self, key: Any, start: str, finish: str, **_: Any) -> None:
        """Stop the work of a cancelled task. Dask itself lets it continue."""
        if start == "executing" and finish == "released" and key in self._work:
            self._work[key].cancel()

    def add(self, name: str, deployment: Deployment) -> None:
        """Register a function."""
        self._deployments[name] = deployment

    def remove(self, name: str) -> None:
        """Unregister a function."""
        self._deployments.pop(name, None)
        if task := self._deployed.pop(name, None):
            task.cancel()

    def grant(self, key: str, invocation: Sealed) -> None:
        """Let a call start."""
        if (future := self._grants.get(key)) is not None and not future.done():
            future.set_result(invocation)

    async def own(self, key: str, work: Coroutine[Any, Any, dict[str, Any]]) -> dict[str, Any]:
        """Run the work of a task and return its result.

        Raises:
            Reschedule: The work was cancelled. If the result is still needed, Dask runs the task on another worker.
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
        """Make a function ready. Return the version of its Python, or an error."""
        try:
            return {"runtime_version": (await self._ready(name)).runtime_version}
        except ConfigError as error:
            return {"error": str(error)}

    async def run(self, task: CallTask) -> dict[str, Any]:
        """Run a call when it is granted, and return its outcome."""
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
        """Return a function that is ready to be called. Concurrent callers share the work."""
        if name not in self._deployments:
            raise ConfigError(
                f"the worker {self._worker.address} does not have the function's code; see the log of the worker"
            )
        task = self._deployed.get(name)
        if task is None or (task.done() and (task.cancelled() or task.exception())):
            task = self._deployed[name] = asyncio.create_task(self._machine.deploy(self._deployments[name]))
        return await asyncio.shield(task)


class _Report:
    """Reports the start and the log lines of a call to the server, in batches."""

    def __init__(self, worker: Worker, task: CallTask) -> None:
        self._worker = worker
        self._task = task
        self._room = task.log_bytes
        self._lines: list[tuple[int, str]] = []
        self._size = 0
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Report that the function starts to run."""
        self._worker.log_event(self._task.topic, {"call": self._task.key, "begun": True})

    def add(self, timestamp: int, line: str) -> None:
        """Report a line with the next batch. Lines that the server would drop are not sent."""
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
        """Report the lines that were not reported before."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._lines:
            self._worker.log_event(self._task.topic, {"call": self._task.key, "lines": self._lines})
        self._lines, self._size = [], 0


def _as_dict(outcome: Outcome) -> dict[str, Any]:
    return attrs.asdict(outcome)


def host_of(worker: Worker) -> Host:
    """Return the plugin on a worker."""
    host = worker.plugins[HOST]
    assert isinstance(host, Host)  # noqa: S101 - for the type checker: no other plugin has this name
    return host


async def deploy_function(key: str, bundle: str) -> dict[str, Any]:
    """Make a function ready. This runs as a Dask task.

    Args:
        key: The key of the task.
        bundle: The name of the bundle with the function's code.
    """
    host = host_of(get_worker())
    return await host.own(key, host.deploy(bundle))


async def run_call(task: CallTask) -> dict[str, Any]:
    """Run a call. This runs as a Dask task."""
    host = host_of(get_worker())
    return await host.own(task.key, host.run(task))


def grant_call(key: str, invocation: Sealed, dask_worker: Worker) -> None:
    """Let a call start on a worker. This runs on the worker outside of any task.

    Args:
        key: The key of the call's task.
        invocation: The input of the call.
        dask_worker: The worker; Dask passes it.
    """
    host_of(dask_worker).grant(key, invocation)

"""The executor that runs functions on a Dask cluster: the server's side."""

from __future__ import annotations

import asyncio
import secrets
import uuid
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any

import attrs
from distributed import Client
from distributed.comm.addressing import get_address_host_port
from distributed.utils import get_ip

from aiocdf.errors import ConfigError
from aiocdf.local.runtime.dask.bundle import pack
from aiocdf.local.runtime.dask.host import HOST, CallTask, Host, deploy_function, grant_call, run_call
from aiocdf.local.runtime.dask.wire import seal_invocation
from aiocdf.local.runtime.executor import Deployed
from aiocdf.local.runtime.invocation import Outcome

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Coroutine

    from distributed import Future

    from aiocdf.local.runtime.dask.bundle import Bundle
    from aiocdf.local.runtime.deployment import Deployment
    from aiocdf.local.runtime.invocation import Invocation
    from aiocdf.local.runtime.output import OnLog

__all__ = ["DaskCluster"]

_CONNECT_LIMIT = 10  # seconds


@attrs.define(kw_only=True, eq=False)
class _Call:
    """A call that runs or waits.

    Args:
        invocation: The input of the call.
        on_log: Called with the time and each line that the function prints.
        on_begin: Called when the function starts to run.
        outcome: The outcome of the call, when it has one.
        worker: The address of the worker on which the function may have started; None before that.
    """

    invocation: Invocation
    on_log: OnLog
    on_begin: Callable[[], None]
    outcome: asyncio.Future[Outcome] = attrs.field(factory=lambda: asyncio.get_running_loop().create_future())
    worker: str | None = None

    def end(self, outcome: Outcome) -> None:
        """Set the outcome, unless the call has one."""
        if not self.outcome.done():
            self.outcome.set_result(outcome)


class DaskCluster:
    """Runs functions on the workers of a Dask cluster. Each call is a Dask task and uses one thread.

    Args:
        address: The address of the scheduler, such as `tcp://scheduler:8786`.
        rerun_lost: Whether a call runs again if its worker is lost while it runs.
        log_bytes: How many bytes of log text a call keeps.
        log: The logger for lost workers.
    """

    def __init__(self, address: str, *, rerun_lost: bool, log_bytes: int, log: logging.Logger) -> None:
        self._address = address
        self._rerun_lost = rerun_lost
        self._log_bytes = log_bytes
        self._log = log
        self._key = secrets.token_bytes(16)
        self._threads = 0
        self._own_address = ""
        self._client: Client | None = None
        self._calls: dict[str, _Call] = {}
        self._shipped: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def processes(self) -> int:
        """How many threads the cluster had when this connected. Each thread runs one function instance at a time."""
        return self._threads

    @property
    def own_address(self) -> str:
        """The address of this machine in the network of the scheduler, where workers can usually reach it."""
        return self._own_address

    async def start(self) -> None:
        """Connect to the scheduler.

        Raises:
            ConfigError: The scheduler did not answer, or its workers do not have aiocdf.
        """
        try:
            client = await Client(
                self._address, asynchronous=True, set_as_default=False, timeout=_CONNECT_LIMIT, name="aiocdf"
            )
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"no answer from the Dask scheduler at {self._address}; check the address: {error}"
            ) from None
        self._client = client
        try:
            await client.register_plugin(Host(), name=HOST)
            self._own_address = await asyncio.to_thread(get_ip, *get_address_host_port(self._address))
            self._threads = sum((await client.nthreads()).values())
        except Exception as error:  # noqa: BLE001 - any exception of a worker is raised here
            await self.aclose()
            raise ConfigError(
                f"the workers of {self._address} do not run functions: install this version of aiocdf[local,dask] on "
                f"them, and restart them ({type(error).__name__}: {error})"
            ) from None
        # The scheduler deletes the events of a topic with a client's id when that client disconnects.
        client.subscribe_topic(client.id, self._on_report)
        client.subscribe_topic("all", self._on_scheduler_event)

    async def deploy(self, deployment: Deployment) -> Deployed:
        """Send the function to all workers and make it ready on one. Other workers do so at the first call they run.

        Args:
            deployment: The function, as it is on disk now.

        Raises:
            ConfigError: Sending the function or making it ready failed. The message says why.
        """
        try:
            bundle = await asyncio.to_thread(pack, deployment, self._key)
            await self._ship(bundle)
        except Exception as error:  # noqa: BLE001 - as in `start`
            raise ConfigError(f"sending the code to the cluster failed: {type(error).__name__}: {error}") from None
        key = f"aiocdf-deploy-{uuid.uuid4()}"
        future = self._connected.submit(deploy_function, key, bundle.name, key=key, pure=False)
        try:
            found = await _result(future)
        except _TaskFailed as error:
            raise ConfigError(str(error)) from None
        finally:
            future.release()
        if "error" in found:
            raise ConfigError(found["error"])
        ready = attrs.evolve(deployment, bundle=bundle.name)
        return Deployed(deployment=ready, runtime_version=found["runtime_version"])

    async def run(
        self, deployment: Deployment, invocation: Invocation, on_log: OnLog, on_begin: Callable[[], None]
    ) -> Outcome:
        """Run one call on a worker with a free thread. See `Executor.run`."""
        assert deployment.bundle is not None  # noqa: S101 - for the type checker: `deploy` has set it
        client = self._connected
        key = f"aiocdf-call-{uuid.uuid4()}"
        call = self._calls[key] = _Call(invocation=invocation, on_log=on_log, on_begin=on_begin)
        task = CallTask(key=key, bundle=deployment.bundle, topic=client.id, log_bytes=self._log_bytes)
        future = client.submit(run_call, task, key=key, pure=False)
        collecting = self._start_task(self._collect(call, future))
        try:
            return await call.outcome
        finally:
            del self._calls[key]
            collecting.cancel()
            future.release()  # ends the task if it is still running

    async def aclose(self) -> None:
        """Fail all calls, remove the functions' code from the workers and disconnect from the cluster."""
        client, self._client = self._client, None
        for call in self._calls.values():
            call.end(Outcome(status="Failed", message="the local server was stopped"))
        for task in (*self._tasks, *self._shipped.values()):
            task.cancel()
        await asyncio.gather(*self._tasks, *self._shipped.values(), return_exceptions=True)
        if client is None:
            return
        if client.status == "running":
            removals = (client.unregister_worker_plugin(name) for name in self._shipped)
            await asyncio.gather(*removals, return_exceptions=True)
        await client.close()

    @property
    def _connected(self) -> Client:
        if self._client is None or self._client.status != "running":
            raise ConfigError(
                f"the connection to the Dask scheduler at {self._address} was lost: check it, then restart this server"
            )
        return self._client

    async def _ship(self, bundle: Bundle) -> None:
        """Send the code to the workers, once per version of the code."""
        task = self._shipped.get(bundle.name)
        if task is None or (task.done() and (task.cancelled() or task.exception())):
            task = self._shipped[bundle.name] = asyncio.create_task(self._register(bundle))
        await asyncio.shield(task)

    async def _register(self, bundle: Bundle) -> None:
        await self._connected.register_plugin(bundle, name=bundle.name)

    async def _collect(self, call: _Call, future: Future[Any]) -> None:
        try:
            call.end(Outcome(**await _result(future)))
        except _TaskFailed as error:
            call.end(Outcome(status="Failed", message=str(error)))

    def _on_report(self, event: tuple[float, dict[str, Any]]) -> None:
        """Handle a worker's report about a call."""
        message = event[1]
        call = self._calls.get(message.get("call", ""))
        if call is None:
            return
        if "ready" in message:
            self._admit(message["call"], call, message["ready"])
        if "begun" in message:
            call.on_begin()
        for timestamp, line in message.get("lines", ()):
            call.on_log(timestamp, line)

    def _on_scheduler_event(self, event: tuple[float, dict[str, Any]]) -> None:
        """Handle a scheduler's event about its workers."""
        message = event[1]
        if message.get("action") == "remove-worker":
            for call in list(self._calls.values()):
                if call.worker == message["worker"]:
                    self._lose(call)

    def _admit(self, key: str, call: _Call, worker: str) -> None:
        """Grant a call whose worker is ready. A call that reports this twice has lost its first worker."""
        if call.worker is not None:
            self._lose(call)
        if not call.outcome.done():
            call.worker = worker
            self._start_task(self._grant(key, call, worker))

    async def _grant(self, key: str, call: _Call, worker: str) -> None:
        try:
            await self._connected.run(grant_call, key, seal_invocation(call.invocation), workers=[worker])
        except Exception as error:  # noqa: BLE001 - after any error, it is unknown whether the worker got the grant
            self._log.warning("worker %s did not answer: %s", worker, error)
            if call.worker == worker:
                self._lose(call)

    def _lose(self, call: _Call) -> None:
        """Fail a call whose worker was lost after the function may have started, unless `rerun_lost` is set."""
        worker, call.worker = call.worker, None
        self._log.warning("worker %s was lost with call %s", worker, call.invocation.call_id)
        if not self._rerun_lost:
            reason = f"the worker {worker} was lost while the call ran: check whether it had effects before you retry"
            call.end(Outcome(status="Failed", message=reason))

    def _start_task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


class _TaskFailed(Exception):
    """The cluster did not complete a task."""


async def _result(future: Future[Any]) -> dict[str, Any]:
    """Return the result of a task.

    Raises:
        _TaskFailed: The task raised an exception, or the connection was lost.
    """
    try:
        result: dict[str, Any] = await future.result()
    except CancelledError:
        raise _TaskFailed("the connection to the Dask scheduler was lost") from None
    except Exception as error:  # noqa: BLE001 - any exception of a worker is raised here
        raise _TaskFailed(f"the cluster failed: {type(error).__name__}: {error}") from None
    return result

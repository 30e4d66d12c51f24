"""Running functions on a Dask cluster, as the local server sees it."""

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
        invocation: What it is given.
        on_log: Called with what it prints.
        on_begin: Called when it begins.
        outcome: How it ended.
        worker: The address of the worker on which it may have begun.
    """

    invocation: Invocation
    on_log: OnLog
    on_begin: Callable[[], None]
    outcome: asyncio.Future[Outcome] = attrs.field(factory=lambda: asyncio.get_running_loop().create_future())
    worker: str | None = None

    def end(self, outcome: Outcome) -> None:
        """Settle how it ended, unless that is settled."""
        if not self.outcome.done():
            self.outcome.set_result(outcome)


class DaskCluster:
    """The executor that runs functions on the workers of a Dask cluster. Each call is a task, and uses a thread.

    Args:
        address: The scheduler's, such as `tcp://scheduler:8786`.
        rerun_lost: Whether a call runs again if its worker is lost in the middle of it.
        log_bytes: How much log text is kept of a call.
        log: Where lost workers are reported.
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
        """How many threads the cluster had at the start: each runs one function instance at a time."""
        return self._threads

    @property
    def own_address(self) -> str:
        """The address of this machine on the way to the scheduler, from which workers are not far."""
        return self._own_address

    async def start(self) -> None:
        """Connect to the scheduler.

        Raises:
            ConfigError: It cannot be reached, or its workers do not have aiocdf.
        """
        try:
            client = await Client(
                self._address, asynchronous=True, set_as_default=False, timeout=_CONNECT_LIMIT, name="aiocdf"
            )
        except (OSError, ValueError) as error:
            raise ConfigError(f"the Dask scheduler at {self._address} cannot be reached: {error}") from None
        self._client = client
        try:
            await client.register_plugin(Host(), name=HOST)
            self._own_address = await asyncio.to_thread(get_ip, *get_address_host_port(self._address))
            self._threads = sum((await client.nthreads()).values())
        except Exception as error:  # noqa: BLE001 - whatever a worker raises comes out here
            await self.aclose()
            raise ConfigError(
                f"the workers of {self._address} cannot run functions: install the same version of aiocdf[local,dask] on "
                f"them, and restart them ({type(error).__name__}: {error})"
            ) from None
        # The scheduler forgets events that are named like a client when the client leaves.
        client.subscribe_topic(client.id, self._hear)
        client.subscribe_topic("all", self._notice)

    async def deploy(self, deployment: Deployment) -> Deployed:
        """Ship the function to all workers, and make it ready on one of them; others follow at its first call there.

        Args:
            deployment: The function, as it is on disk now.

        Raises:
            ConfigError: The function cannot be shipped or run; the message says why.
        """
        try:
            bundle = await asyncio.to_thread(pack, deployment, self._key)
            await self._ship(bundle)
        except Exception as error:  # noqa: BLE001 - as in `start`
            raise ConfigError(f"the code cannot be sent to the cluster: {type(error).__name__}: {error}") from None
        key = f"aiocdf-deploy-{uuid.uuid4()}"
        future = self._connected.submit(deploy_function, key, bundle.name, key=key, pure=False)
        try:
            found = await _result(future)
        except _Broken as error:
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
        """Run one call on a worker with a free thread; see `Executor.run`."""
        assert deployment.bundle is not None  # noqa: S101 - for the type checker: `deploy` has set it
        client = self._connected
        key = f"aiocdf-call-{uuid.uuid4()}"
        call = self._calls[key] = _Call(invocation=invocation, on_log=on_log, on_begin=on_begin)
        task = CallTask(key=key, bundle=deployment.bundle, topic=client.id, log_bytes=self._log_bytes)
        future = client.submit(run_call, task, key=key, pure=False)
        collecting = self._own(self._collect(call, future))
        try:
            return await call.outcome
        finally:
            del self._calls[key]
            collecting.cancel()
            future.release()  # a task that goes on ends by this

    async def aclose(self) -> None:
        """Fail all calls, remove the functions' code from the workers, and leave the cluster."""
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
                f"the Dask scheduler at {self._address} is lost: start it again if it has ended, then restart this server"
            )
        return self._client

    async def _ship(self, bundle: Bundle) -> None:
        """Send the code to the workers, once for each content."""
        task = self._shipped.get(bundle.name)
        if task is None or (task.done() and (task.cancelled() or task.exception())):
            task = self._shipped[bundle.name] = asyncio.create_task(self._register(bundle))
        await asyncio.shield(task)

    async def _register(self, bundle: Bundle) -> None:
        await self._connected.register_plugin(bundle, name=bundle.name)

    async def _collect(self, call: _Call, future: Future[Any]) -> None:
        try:
            call.end(Outcome(**await _result(future)))
        except _Broken as error:
            call.end(Outcome(status="Failed", message=str(error)))

    def _hear(self, event: tuple[float, dict[str, Any]]) -> None:
        """Apply a worker's report about a call."""
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

    def _notice(self, event: tuple[float, dict[str, Any]]) -> None:
        """Apply the scheduler's report about its workers."""
        message = event[1]
        if message.get("action") == "remove-worker":
            for call in list(self._calls.values()):
                if call.worker == message["worker"]:
                    self._lose(call)

    def _admit(self, key: str, call: _Call, worker: str) -> None:
        """Grant a call that is ready to begin. One that is ready again has lost its worker."""
        if call.worker is not None:
            self._lose(call)
        if not call.outcome.done():
            call.worker = worker
            self._own(self._grant(key, call, worker))

    async def _grant(self, key: str, call: _Call, worker: str) -> None:
        try:
            await self._connected.run(grant_call, key, seal_invocation(call.invocation), workers=[worker])
        except Exception as error:  # noqa: BLE001 - whatever it is, the worker may have got the grant or not
            self._log.warning("worker %s did not answer: %s", worker, error)
            if call.worker == worker:
                self._lose(call)

    def _lose(self, call: _Call) -> None:
        """Apply the policy to a call whose worker was lost after the call may have begun."""
        worker, call.worker = call.worker, None
        self._log.warning("worker %s was lost with call %s", worker, call.invocation.call_id)
        if not self._rerun_lost:
            reason = (
                f"the worker {worker} of the cluster was lost in the middle of the call, which may have done its work"
            )
            call.end(Outcome(status="Failed", message=reason))

    def _own(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


class _Broken(Exception):
    """The cluster did not do a task."""


async def _result(future: Future[Any]) -> dict[str, Any]:
    """Return what a task returned.

    Raises:
        _Broken: It did not return.
    """
    try:
        result: dict[str, Any] = await future.result()
    except CancelledError:
        raise _Broken("the connection to the Dask scheduler was lost") from None
    except Exception as error:  # noqa: BLE001 - any exception of a worker comes out here
        raise _Broken(f"the cluster could not do it: {type(error).__name__}: {error}") from None
    return result

"""Running functions on this machine."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import attrs

from aiocdf.errors import ConfigError
from aiocdf.local.runtime.executor import Deployed
from aiocdf.local.runtime.interpreters import find_interpreter

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiocdf.local.runtime.deployment import Deployment
    from aiocdf.local.runtime.environments import Environments
    from aiocdf.local.runtime.invocation import Invocation, Outcome
    from aiocdf.local.runtime.output import OnLog
    from aiocdf.local.runtime.pool import WorkerPool

__all__ = ["Machine"]

_IMPORT_LIMIT = 60.0


@attrs.frozen(eq=False)
class Machine:
    """Runs functions on this machine.

    Args:
        pool: Runs the functions. It keeps the process that imported the handler for the first call.
        environments: The virtual environments with the functions' requirements.
    """

    _pool: WorkerPool
    _environments: Environments

    @property
    def processes(self) -> int:
        """How many function instances may run at once."""
        return self._pool.processes

    @property
    def own_address(self) -> str:
        """The address of this machine, as function instances see it."""
        return "127.0.0.1"

    async def start(self) -> None:
        """Do nothing: processes start when they are needed."""

    async def deploy(self, deployment: Deployment) -> Deployed:
        """Find the function's Python, install its requirements and import its handler once.

        Args:
            deployment: The function, as it is on disk now.

        Raises:
            ConfigError: A step failed. The message has the reason, then the traceback or the build log.
        """
        interpreter = await find_interpreter(deployment.runtime)
        python = await self._environments.python(deployment, interpreter)
        ready = attrs.evolve(deployment, python=python)
        try:
            async with asyncio.timeout(_IMPORT_LIMIT):
                outcome = await self._pool.run(ready, None, lambda *_: None)
        except TimeoutError:
            raise ConfigError(f"importing the handler took more than {_IMPORT_LIMIT:g} seconds") from None
        if outcome.status != "Completed":
            raise ConfigError("\n".join(filter(None, (outcome.message, outcome.trace))))
        return Deployed(deployment=ready, runtime_version=interpreter.version)

    async def run(
        self, deployment: Deployment, invocation: Invocation, on_log: OnLog, on_begin: Callable[[], None]
    ) -> Outcome:
        """Run one call and return its outcome. See `WorkerPool.run`."""
        return await self._pool.run(deployment, invocation, on_log, on_begin)

    async def aclose(self) -> None:
        """Kill all processes and wait until they have ended. Calls that run or wait fail."""
        await self._pool.aclose()

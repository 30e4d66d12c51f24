"""The interface of executors, which run functions on this machine or on a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiocdf.local.runtime.deployment import Deployment
    from aiocdf.local.runtime.invocation import Invocation, Outcome
    from aiocdf.local.runtime.output import OnLog

__all__ = ["Deployed", "Executor"]


@attrs.frozen(kw_only=True)
class Deployed:
    """A function that is ready to be called.

    Args:
        deployment: The deployment to run.
        runtime_version: The version of the function's Python, such as `3.11.7`.
    """

    deployment: Deployment
    runtime_version: str


class Executor(Protocol):
    """Makes functions ready, and runs their calls in separate processes."""

    @property
    def processes(self) -> int:
        """How many function instances may run at once."""
        ...

    @property
    def own_address(self) -> str:
        """The address of this machine, as function instances see it."""
        ...

    async def start(self) -> None:
        """Start the executor. Call this before any other method.

        Raises:
            ConfigError: The executor cannot start. The message says why.
        """
        ...

    async def deploy(self, deployment: Deployment) -> Deployed:
        """Make a function ready: find its Python, install its requirements and import its handler.

        Args:
            deployment: The function, as it is on disk now.

        Raises:
            ConfigError: The function is not runnable. The message says why.
        """
        ...

    async def run(
        self,
        deployment: Deployment,
        invocation: Invocation,
        on_log: OnLog,
        on_begin: Callable[[], None],
    ) -> Outcome:
        """Run one call and return its outcome. Cancelling this kills the process that runs the call.

        Args:
            deployment: The deployment that `deploy` returned.
            invocation: The input of the call.
            on_log: Called in the event loop with the time in epoch milliseconds and each line that the function prints,
                always before this returns.
            on_begin: Called when the function starts to run.
        """
        ...

    async def aclose(self) -> None:
        """End all function instances and wait until they have ended. Calls that run or wait fail."""
        ...

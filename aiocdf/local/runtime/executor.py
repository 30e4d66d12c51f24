"""What runs functions: this machine, or a cluster."""

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
        deployment: What to run.
        runtime_version: The version of its Python, such as `3.11.7`.
    """

    deployment: Deployment
    runtime_version: str


class Executor(Protocol):
    """Makes functions ready, and runs their calls in processes of their own."""

    @property
    def processes(self) -> int:
        """How many function instances may run at once."""
        ...

    @property
    def own_address(self) -> str:
        """The address of this machine, as function instances see it."""
        ...

    async def start(self) -> None:
        """Begin. Call this before anything else.

        Raises:
            ConfigError: It cannot begin.
        """
        ...

    async def deploy(self, deployment: Deployment) -> Deployed:
        """Make a function ready: find its Python, install its requirements, import its handler.

        Args:
            deployment: The function, as it is on disk now.

        Raises:
            ConfigError: The function cannot be run; the message says why.
        """
        ...

    async def run(
        self,
        deployment: Deployment,
        invocation: Invocation,
        on_log: OnLog,
        on_begin: Callable[[], None],
    ) -> Outcome:
        """Run one call and return how it ended. Cancelling this kills the process that runs it.

        Args:
            deployment: What `deploy` has returned.
            invocation: What the call is given.
            on_log: Called in the event loop with each line the function prints and its time in epoch milliseconds,
                always before this returns.
            on_begin: Called when the function begins to work.
        """
        ...

    async def aclose(self) -> None:
        """End all function instances, and wait for that; calls that run or wait fail."""
        ...

"""Makes functions ready to be called, in the background."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal

import attrs

from aiocdf.errors import ConfigError

if TYPE_CHECKING:
    import logging
    from pathlib import Path

    from aiocdf.local.runtime.deployment import Deployment
    from aiocdf.local.runtime.executor import Executor

__all__ = ["Build", "Builder"]

BuildStatus = Literal["Queued", "Deploying", "Ready", "Failed"]

_BUILDS_AT_ONCE = 4


@attrs.define(kw_only=True, eq=False)
class Build:
    """The state of the build of a deployment. It changes while the build runs.

    Args:
        source: The function, as it was on disk when the build started.
        deployment: The deployment to pass to `Executor.run` when the status is Ready.
        status: The status of the build.
        error: Why the build Failed: a line with reason, file and line number, then the traceback or the build log.
        runtime_version: The version of the function's Python, such as `3.11.7`; None until it is known.
    """

    source: Deployment
    deployment: Deployment
    status: BuildStatus = "Queued"
    error: str | None = None
    runtime_version: str | None = None


@attrs.define(eq=False)
class Builder:
    """Builds functions with an executor, a few at a time.

    It builds functions of the folder and functions created through the API. To build one of the latter, write its code
    to a separate folder, then::

        deployment = read_deployment(folder, external_id="...", settings={"secrets": ..., "cpu": ...})
        build = builder.begin(deployment)       # returns immediately
        build.status, build.error               # at any time
        await builder.finished(deployment)      # when it is Ready or Failed
        builder.forget(folder)                  # when the function is deleted

    Args:
        executor: Makes the functions ready, and runs them later.
        log: The logger for failures, one line each.
    """

    _executor: Executor
    _log: logging.Logger
    _builds: dict[Path, Build] = attrs.field(factory=dict, init=False)
    _tasks: dict[Path, asyncio.Task[None]] = attrs.field(factory=dict, init=False)
    _room: asyncio.Semaphore = attrs.field(factory=lambda: asyncio.Semaphore(_BUILDS_AT_ONCE), init=False)

    def begin(self, deployment: Deployment) -> Build:
        """Return the build of a deployment. Start it if it has not started.

        This cancels the build of an earlier version in the same folder.

        Args:
            deployment: The function, as it is on disk now.
        """
        found = self._builds.get(deployment.path)
        if found is not None and found.source == deployment:
            return found
        self.forget(deployment.path)
        build = self._builds[deployment.path] = Build(source=deployment, deployment=deployment)
        if deployment.error is not None:
            self._fail(build, deployment.error)
        else:
            self._tasks[deployment.path] = asyncio.create_task(self._build(build))
        return build

    async def finished(self, deployment: Deployment) -> Build:
        """Return the build of a deployment when it is Ready or Failed.

        Args:
            deployment: The function, as it is on disk now.
        """
        build = self.begin(deployment)
        while (task := self._tasks.get(deployment.path)) is not None:
            await asyncio.wait([task])
        return self._builds.get(deployment.path, build)

    async def settle(self, seconds: float) -> None:
        """Wait until all builds have ended, but at most *seconds*."""
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=seconds)

    def forget(self, path: Path) -> None:
        """Cancel and remove the build of the function in a folder, if there is one.

        Args:
            path: The folder.
        """
        self._builds.pop(path, None)
        if task := self._tasks.pop(path, None):
            task.cancel()

    async def aclose(self) -> None:
        """Cancel all builds."""
        tasks = list(self._tasks.values())
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _build(self, build: Build) -> None:
        try:
            async with self._room:
                build.status = "Deploying"
                await self._deploy(build)
        except ConfigError as error:
            self._fail(build, str(error))
        except Exception:  # noqa: BLE001 - after any error, the status must be Failed
            self._log.exception("the build of %s failed because of a bug in aiocdf", build.deployment.external_id)
            self._fail(build, "the local server could not build the function; see the log of the server for the reason")
        finally:
            if self._tasks.get(build.deployment.path) is asyncio.current_task():
                del self._tasks[build.deployment.path]

    async def _deploy(self, build: Build) -> None:
        deployed = await self._executor.deploy(build.deployment)
        build.deployment, build.runtime_version = deployed.deployment, deployed.runtime_version
        build.status = "Ready"

    def _fail(self, build: Build, error: str) -> None:
        build.status, build.error = "Failed", error
        self._log.warning("function %s is not ready: %s", build.deployment.external_id, error.partition("\n")[0])

"""Making functions ready to be called, in the background."""

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
    """What has become of a deployment so far. It changes while the build goes on.

    Args:
        asked: The function, as it was on disk when the build began.
        deployment: What is deployed. Once Ready, it can be given to `Executor.run`.
        status: How far it is.
        error: Why it is Failed: a line with the reason, the file and the line, then the traceback or the build log.
        runtime_version: The version of its Python, such as `3.11.7`, once it is known.
    """

    asked: Deployment
    deployment: Deployment
    status: BuildStatus = "Queued"
    error: str | None = None
    runtime_version: str | None = None


@attrs.define(eq=False)
class Builder:
    """Builds functions: lets the executor make them ready, a few at a time.

    It treats functions of the folder and functions made through the API alike. For the latter, write the code to a folder
    of its own, then::

        deployment = read_deployment(folder, external_id="...", settings={"secrets": ..., "cpu": ...})
        build = builder.begin(deployment)       # returns at once
        build.status, build.error               # at any time
        await builder.finished(deployment)      # once it is Ready or Failed
        builder.forget(folder)                  # when the function is deleted

    Args:
        executor: Makes functions ready where it runs them.
        log: Where failures are reported, in one line each.
    """

    _executor: Executor
    _log: logging.Logger
    _builds: dict[Path, Build] = attrs.field(factory=dict, init=False)
    _tasks: dict[Path, asyncio.Task[None]] = attrs.field(factory=dict, init=False)
    _room: asyncio.Semaphore = attrs.field(factory=lambda: asyncio.Semaphore(_BUILDS_AT_ONCE), init=False)

    def begin(self, deployment: Deployment) -> Build:
        """Return the build of a deployment, which begins now unless it has begun before.

        A build of what was in the same folder before is given up.

        Args:
            deployment: The function, as it is on disk now.
        """
        found = self._builds.get(deployment.path)
        if found is not None and found.asked == deployment:
            return found
        self.forget(deployment.path)
        build = self._builds[deployment.path] = Build(asked=deployment, deployment=deployment)
        if deployment.error is not None:
            self._fail(build, deployment.error)
        else:
            self._tasks[deployment.path] = asyncio.create_task(self._build(build))
        return build

    async def finished(self, deployment: Deployment) -> Build:
        """Return the build of a deployment, once it is Ready or Failed.

        Args:
            deployment: The function, as it is on disk now.
        """
        build = self.begin(deployment)
        while (task := self._tasks.get(deployment.path)) is not None:
            await asyncio.wait([task])
        return self._builds.get(deployment.path, build)

    async def settle(self, seconds: float) -> None:
        """Wait until all builds have ended, or for so many seconds."""
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=seconds)

    def forget(self, path: Path) -> None:
        """Give up the build of the function in a folder, if there is one.

        Args:
            path: The folder.
        """
        self._builds.pop(path, None)
        if task := self._tasks.pop(path, None):
            task.cancel()

    async def aclose(self) -> None:
        """Give up all builds that go on."""
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
        except Exception:  # noqa: BLE001 - whatever breaks, the function must be seen to be Failed
            self._log.exception("the build of %s failed because of a bug in aiocdf", build.deployment.external_id)
            self._fail(build, "the local server could not build the function; its log says why")
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

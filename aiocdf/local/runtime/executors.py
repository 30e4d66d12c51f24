"""The available executors, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiocdf.errors import ConfigError
from aiocdf.local.runtime.environments import Environments, default_cache
from aiocdf.local.runtime.machine import Machine
from aiocdf.local.runtime.pool import WorkerPool

if TYPE_CHECKING:
    import logging

    from aiocdf.local.runtime.executor import Executor
    from aiocdf.local.state.limits import Limits

__all__ = ["LOCAL", "make_executor"]

LOCAL = "local"
_DASK = {"dask": "tcp", "dask+tls": "tls"}


def make_executor(
    name: str, *, processes: int | None, rerun_lost: bool, limits: Limits, log: logging.Logger
) -> Executor:
    """Return the executor with a name.

    Args:
        name: `local`, or the address of a Dask scheduler, such as `dask://host:8786`.
        processes: How many function instances may run at once on this machine; None computes it from the memory.
        rerun_lost: Whether a call runs again if its Dask worker is lost while it runs.
        limits: The limits of the server: how much log text a call keeps.
        log: The logger for lost workers.

    Raises:
        ConfigError: The name is unknown, a setting is for another executor, or a package is missing.
    """
    scheme, _, place = name.partition("://")
    if scheme in _DASK and place:
        if processes is not None:
            raise ConfigError(
                "processes is for this machine only: leave it out; a Dask cluster runs one function instance per thread"
            )
        # Optional packages: only this executor needs them.
        try:
            from aiocdf.local.runtime.dask.cluster import DaskCluster
        except ModuleNotFoundError as error:
            if error.name not in {"dask", "distributed"}:
                raise
            raise ConfigError('a Dask cluster needs more packages: run pip install "aiocdf[dask]"') from None
        return DaskCluster(f"{_DASK[scheme]}://{place}", rerun_lost=rerun_lost, log_bytes=limits.log_bytes, log=log)
    if name != LOCAL:
        raise ConfigError(f"executor must be {LOCAL} or dask://HOST:PORT, not {name!r}")
    if rerun_lost:
        raise ConfigError("rerun_lost is for clusters only: leave it out, or set the executor to dask://HOST:PORT")
    return Machine(WorkerPool(processes=processes), Environments(default_cache() / "environments"))

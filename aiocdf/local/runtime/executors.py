"""The executors that there are, by their names."""

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
    """Return what runs functions.

    Args:
        name: `local`, or the scheduler of a Dask cluster, as in `dask://host:8786`.
        processes: How many function instances may run at once on this machine; None for what its memory suggests.
        rerun_lost: Whether a call runs again if its worker is lost in the middle of it.
        limits: How much log text is kept of a call.
        log: Where lost workers are reported.

    Raises:
        ConfigError: There is no such executor, it cannot have these settings, or packages are missing.
    """
    scheme, _, place = name.partition("://")
    if scheme in _DASK and place:
        if processes is not None:
            raise ConfigError(
                "leave out processes: a cluster runs as many function instances as its workers have threads"
            )
        # Optional packages, which the server does not need otherwise.
        try:
            from aiocdf.local.runtime.dask.cluster import DaskCluster
        except ModuleNotFoundError as error:
            if error.name not in {"dask", "distributed"}:
                raise
            raise ConfigError('a Dask cluster needs more packages: pip install "aiocdf[dask]"') from None
        return DaskCluster(f"{_DASK[scheme]}://{place}", rerun_lost=rerun_lost, log_bytes=limits.log_bytes, log=log)
    if name != LOCAL:
        raise ConfigError(f"executor must be {LOCAL} or dask://HOST:PORT, not {name!r}")
    if rerun_lost:
        raise ConfigError("rerun_lost is for clusters: give an executor such as dask://HOST:PORT too")
    return Machine(WorkerPool(processes=processes), Environments(default_cache() / "environments"))

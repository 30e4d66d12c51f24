"""Loads the schedules of a Cognite Toolkit module when the server starts."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Final

import attrs

from aiocdf.errors import ConfigError
from aiocdf.local.api.cron import explain
from aiocdf.local.identity.issuer import digest, random_secret
from aiocdf.local.runtime.toolkit import read_schedules
from aiocdf.local.state.records import ALL_CAPABILITIES, Session, now_ms
from aiocdf.local.state.schedules import Schedule

if TYPE_CHECKING:
    import logging
    from collections.abc import Mapping
    from pathlib import Path

    from aiocdf.local.api.registry import FunctionRegistry
    from aiocdf.local.runtime.toolkit import ToolkitSchedule
    from aiocdf.local.state.records import Ids
    from aiocdf.local.state.store import Store

__all__ = ["load_module_schedules"]

#: The client id of their calls. The credentials in the files belong to the service and are not used here.
CLIENT: Final = "toolkit"
_ID_BITS: Final = 52


async def load_module_schedules(
    root: Path, *, registry: FunctionRegistry, store: Store, ids: Ids, log: logging.Logger
) -> None:
    """Replace the schedules that were loaded before a restart by those in the files now.

    Schedules that are not valid are skipped, with a warning in the log.

    Args:
        root: The folder that is served.
        registry: All functions.
        store: Stores the schedules.
        ids: Generates the ids of their sessions.
        log: The logger for skipped schedules.
    """
    earlier = await _taken_before(store)
    await store.delete_schedules(earlier)
    try:
        found = await asyncio.to_thread(read_schedules, root)
    except ConfigError as error:
        log.warning("skipped the schedules of the module: %s", error)
        return
    functions = {function.external_id: function.id for function in (await registry.functions()).values()}
    for described in found:
        try:
            schedule = _schedule(described, functions.get(described.function_external_id), earlier)
        except ValueError as error:
            log.warning("skipped schedule %r: %s", described.name, error)
        else:
            await store.add_schedule(attrs.evolve(schedule, session_id=await _session(store, ids.take())))


async def _taken_before(store: Store) -> dict[int, Schedule]:
    """Return the schedules that were loaded from files before a restart. Their sessions identify them."""
    schedules = await store.schedules()
    sessions = await store.sessions([schedule.session_id for schedule in schedules])
    ours = {session.id for session in sessions if session.client_id == CLIENT}
    return {schedule.id: schedule for schedule in schedules if schedule.session_id in ours}


def _schedule(described: ToolkitSchedule, function_id: int | None, earlier: Mapping[int, Schedule]) -> Schedule:
    """Return the schedule without its session, with the same id and times as before a restart.

    Raises:
        ValueError: Its function does not exist, or its cron expression is not valid.
    """
    if function_id is None:
        raise ValueError(f"function {described.function_external_id!r} does not exist")
    key = f"{described.function_external_id}\0{described.name}\0{described.cron_expression}"
    schedule_id = (int.from_bytes(hashlib.sha256(key.encode()).digest()[:8]) >> (64 - _ID_BITS)) or 1
    before = earlier.get(schedule_id)
    return Schedule(
        id=schedule_id,
        created_time=now_ms() if before is None else before.created_time,
        name=described.name,
        cron_expression=described.cron_expression,
        when=explain(described.cron_expression),
        function_id=function_id,
        session_id=0,
        description=described.description,
        data=described.data or None,
        last_scheduled=None if before is None else before.last_scheduled,
    )


async def _session(store: Store, session_id: int) -> int:
    """Create a session with all capabilities, and return its id."""
    now, nonce = now_ms(), digest(random_secret())
    session = Session(
        id=session_id,
        type="CLIENT_CREDENTIALS",
        status="READY",
        creation_time=now,
        expiration_time=now,
        nonce_expires=now + 60_000,
        client_id=CLIENT,
        capabilities=ALL_CAPABILITIES,
        depth=1,
    )
    await store.add_session(session, nonce)
    await store.bind_session(nonce, now)
    return session_id

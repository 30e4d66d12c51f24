"""The schedules that a Cognite Toolkit module describes, made known as the server starts."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Final

import attrs

from aiocdf.errors import ConfigError
from aiocdf.local.api.cron import in_words
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

#: As whom their calls run. The credentials that the files name are the service's.
CLIENT: Final = "toolkit"
_ID_BITS: Final = 52


async def load_module_schedules(
    root: Path, *, registry: FunctionRegistry, store: Store, ids: Ids, log: logging.Logger
) -> None:
    """Replace the schedules that an earlier server has taken from the module's files by those that are there now.

    One that cannot be used is left out, and the log says why.

    Args:
        root: What is served.
        registry: All functions.
        store: Where the schedules are kept.
        ids: Where ids of their sessions come from.
        log: Where it says what is left out.
    """
    earlier = await _taken_before(store)
    await store.delete_schedules(earlier)
    try:
        found = await asyncio.to_thread(read_schedules, root)
    except ConfigError as error:
        log.warning("the schedules of the module are left out: %s", error)
        return
    functions = {function.external_id: function.id for function in (await registry.functions()).values()}
    for described in found:
        try:
            schedule = _schedule(described, functions.get(described.function_external_id), earlier)
        except ValueError as error:
            log.warning("schedule %r is left out: %s", described.name, error)
        else:
            await store.add_schedule(attrs.evolve(schedule, session_id=await _session(store, ids.take())))


async def _taken_before(store: Store) -> dict[int, Schedule]:
    """Return the schedules that an earlier server has taken from files: those are known by their sessions."""
    schedules = await store.schedules()
    sessions = await store.sessions([schedule.session_id for schedule in schedules])
    ours = {session.id for session in sessions if session.client_id == CLIENT}
    return {schedule.id: schedule for schedule in schedules if schedule.session_id in ours}


def _schedule(described: ToolkitSchedule, function_id: int | None, earlier: Mapping[int, Schedule]) -> Schedule:
    """Return the schedule without its session; with the same id, and times, as at the last start.

    Raises:
        ValueError: It cannot be used.
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
        when=in_words(described.cron_expression),
        function_id=function_id,
        session_id=0,
        description=described.description,
        data=described.data or None,
        last_scheduled=None if before is None else before.last_scheduled,
    )


async def _session(store: Store, session_id: int) -> int:
    """Make a session that may do everything, and return its id."""
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

"""Runs a scenario in virtual time."""

from __future__ import annotations

import asyncio
import random
from functools import partial
from typing import TYPE_CHECKING, Any

import looptime
from trouble.opening import open_client
from trouble.scenario import End, Run, Scenario, Stage
from trouble.service import Line

if TYPE_CHECKING:
    from aiocdf import CallHandle


def run(scenario: Scenario) -> Run:
    """Run a scenario and its comparison, each on a separate loop."""
    random.seed(1)  # the client's jitter: two runs of the same code are the same
    # No events come from outside the loop, so it does not need idle turns before time advances.
    with asyncio.Runner(loop_factory=partial(looptime.new_event_loop, noop_cycles=0)) as runner:
        came_to = runner.run(_play(scenario))
    came_to.beside = run(scenario.beside) if scenario.beside else None
    return came_to


async def _play(scenario: Scenario) -> Run:
    loop_errors: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: loop_errors.append(_text(context)))
    line = Line([seconds for _, seconds in scenario.calls], seed=scenario.seed)
    ends: dict[int, End] = {}
    async with open_client(line, warn_secrets=False, **scenario.settings) as client:
        if scenario.warm:
            await client.call(scenario.calls[0][0], {"key": 0})
        line.begin(scenario.faults())
        if scenario.hog is not None:
            line.occupy(scenario.hog.places, scenario.hog.seconds)
        handles = [
            client.call(function, {"key": key}, retry=scenario.retry)
            for key, (function, _) in enumerate(scenario.calls)
        ]
        for key, handle in enumerate(handles):
            _note(handle, key, line, ends)
        stage = Stage(client=client, line=line, handles=handles, ends=ends)
        await _perform(scenario, stage)
        seen = dict(ends)
    return Run(scenario=scenario, ends=seen, visits=list(line.visits), started=line.calls(), loop_errors=loop_errors)


async def _perform(scenario: Scenario, stage: Stage) -> None:
    """Run the script, and wait for the remaining handles. Handles that do not end in time are stuck."""
    try:
        async with asyncio.timeout(scenario.limit):
            if scenario.script is not None:
                await scenario.script(stage)
            await asyncio.wait(stage.handles)
    except TimeoutError:
        pass


def _note(handle: CallHandle, key: int, line: Line, ends: dict[int, End]) -> None:
    """Record how and when a handle ends."""

    def ended(future: asyncio.Future[Any]) -> None:
        try:
            error = future.exception()
        except asyncio.CancelledError as cancelled:
            error = cancelled
        call_id = handle.call_id
        ends[key] = End(at=line.now(), error=error, key=None if call_id is None else line.key(call_id))

    handle.add_done_callback(ended)


def _text(context: dict[str, Any]) -> str:
    return f"{context.get('message')}: {context.get('exception')!r}"

"""Calls that are made from a stream of inputs, as they end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import attrs

from aiocdf import _clock
from aiocdf.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from aiocdf.handle import CallHandle

__all__ = ["map_calls"]

T = TypeVar("T")

# Calls are made in turns of so many: between two the loop comes round.
_TURN = 100


async def map_calls(
    call: Callable[[T], CallHandle],
    items: Iterable[T] | AsyncIterable[T],
    *,
    kind: type[Any] | None,
    ordered: bool,
    return_exceptions: bool,
    max_pending: int,
    readers: int,
) -> AsyncIterator[tuple[T, Any]]:
    """Call a function with each of *items* and give each with what the function returned; see `Client.map`.

    Args:
        call: What makes a call.
        items: The inputs; no more are taken than there is room for.
        kind: The type to build from what the function returned.
        ordered: Give results in the order of the inputs.
        return_exceptions: Give errors in place of results, instead of raising the first.
        max_pending: How many calls may have been made whose results were not taken.
        readers: How many responses are read at once.
    """
    run = _Run(call=call, kind=kind, room=asyncio.Semaphore(max_pending))
    tasks = [asyncio.create_task(run.feed(items)), *(asyncio.create_task(run.read()) for _ in range(readers))]
    early: dict[int, _Job[T]] = {}
    given, feeding = 0, True
    try:
        while feeding or given < run.made:
            job = await run.results.get()
            if job is None:
                feeding = False
                continue
            early[job.number if ordered else given] = job
            while (job := early.pop(given, None)) is not None:
                if isinstance(job.outcome, BaseException) and not return_exceptions:
                    raise job.outcome
                given += 1
                run.room.release()
                yield job.item, job.outcome
        if run.fault is not None:
            raise run.fault
    finally:
        for task in tasks:
            task.cancel()
        run.drop()
        await asyncio.gather(*tasks, return_exceptions=True)


@attrs.define(eq=False)
class _Job(Generic[T]):
    """One input on its way to a result."""

    number: int
    item: T
    handle: CallHandle | None = None
    outcome: Any = None


@attrs.define(kw_only=True)
class _Run(Generic[T]):
    """What feeds calls, and reads their responses as they end, for one `map_calls`."""

    call: Callable[[T], CallHandle]
    kind: type[Any] | None
    room: asyncio.Semaphore
    ended: asyncio.Queue[_Job[T]] = attrs.field(factory=asyncio.Queue)
    #: Finished jobs, and None once there are no more inputs.
    results: asyncio.Queue[_Job[T] | None] = attrs.field(factory=asyncio.Queue)
    made: int = 0
    #: What the inputs raised: told after the results of the calls that were made.
    fault: BaseException | None = None
    #: Nobody takes results any more.
    _over: bool = False
    _pending: set[CallHandle] = attrs.field(factory=set)

    async def feed(self, items: Iterable[T] | AsyncIterable[T]) -> None:
        """Make a call of each input, as there is room."""
        try:
            await self.room.acquire()
            if isinstance(items, AsyncIterable):
                async for item in items:
                    await self._make(item)
            else:
                for item in items:
                    await self._make(item)
        # The caller's own iterator may raise anything, also what it got from awaiting something that was cancelled.
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001
            self.fault = error
        self.results.put_nowait(None)

    async def read(self) -> None:
        """Read the responses of calls that have ended, one after the other."""
        while True:
            job = await self.ended.get()
            assert job.handle is not None  # noqa: S101 - it has ended
            try:
                job.outcome = await job.handle.response(self.kind)
            except Exception as error:  # noqa: BLE001 - it goes to who takes the result
                job.outcome = error
            self._pending.discard(job.handle)
            self.results.put_nowait(job)

    def drop(self) -> None:
        """Let go of the calls whose results nobody will take: those in the queue never start."""
        self._over = True
        for handle in self._pending:
            if not handle.cancel() and not handle.cancelled():
                handle.exception()  # nobody is there to be told

    async def _make(self, item: T) -> None:
        """Make a call of an input, and wait until there is room for the next before that is taken."""
        if self._over:
            raise asyncio.CancelledError  # once more, for inputs that caught it and went on
        job = _Job(self.made, item)
        try:
            handle = job.handle = self.call(item)
        except UsageError as error:
            job.outcome = error
            self.results.put_nowait(job)
        else:
            self._pending.add(handle)
            handle.add_done_callback(lambda _: self.ended.put_nowait(job))
        self.made += 1
        if self.made % _TURN == 0:
            await _clock.sleep(0)
        await self.room.acquire()

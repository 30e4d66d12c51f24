"""Makes calls from a stream of inputs, and yields their results as they end."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import attrs

from aiocdf import _clock
from aiocdf._policy.secrecy import looks_secret
from aiocdf.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
    from typing import Self

    from aiocdf.handle import CallHandle

__all__ = ["MapResults"]

T = TypeVar("T")
Out = TypeVar("Out")

# The number of calls to make in a row; the loop runs other work in between.
_TURN = 100
# The limits of an item in a message: members of each container, and characters of each text.
_MEMBERS, _CHARACTERS = 4, 30


class MapResults(Generic[T, Out]):
    """Yields each input with what the function returned for it, as an async iterator; made by `client.map`.

    It reads no input and sends nothing before you request the first result.

    Args:
        call: Makes a call.
        items: The inputs; the next one is read only when *max_pending* allows one more call.
        function: The function's id or external id.
        Output: The type to build from each response; None for plain JSON values.
        ordered: Whether to yield results in the order of the inputs.
        return_exceptions: Whether to yield errors as results instead of raising the first.
        max_pending: The maximum number of calls whose results the caller has not received.
        readers: The number of responses to read at once.
    """

    def __init__(
        self,
        call: Callable[[T], CallHandle],
        items: Iterable[T] | AsyncIterable[T],
        *,
        function: int | str,
        Output: Any,
        ordered: bool,
        return_exceptions: bool,
        max_pending: int,
        readers: int,
    ) -> None:
        self._function = function
        self._run = _Run(call=call, Output=Output, room=asyncio.Semaphore(max_pending))
        self._results = self._run.results_of(
            items, ordered=ordered, return_exceptions=return_exceptions, readers=readers
        )

    def __aiter__(self) -> Self:
        """Return itself."""
        return self

    def __anext__(self) -> Awaitable[tuple[T, Out]]:
        """Return the next input with its result."""
        return self._results.__anext__()

    async def aclose(self) -> None:
        """Cancel the handles of the calls under way: queued calls never start, running calls continue."""
        await self._results.aclose()

    def __repr__(self) -> str:
        """Show the function, and the counts of calls and results."""
        return f"<map of function {self._function!r}: {self._run.made} calls made, {self._run.given} results given>"


@attrs.define(eq=False)
class _Job(Generic[T]):
    """One input on its way to a result."""

    number: int
    item: T
    handle: CallHandle | None = None
    outcome: Any = None


@attrs.define(kw_only=True)
class _Run(Generic[T]):
    """Makes the calls and reads their responses for one `MapResults`."""

    call: Callable[[T], CallHandle]
    Output: Any
    room: asyncio.Semaphore
    ended: asyncio.Queue[_Job[T]] = attrs.field(factory=asyncio.Queue)
    #: Finished jobs, and None once there are no more inputs.
    results: asyncio.Queue[_Job[T] | None] = attrs.field(factory=asyncio.Queue)
    made: int = 0
    given: int = 0
    #: What the inputs raised: it is raised after the results of the calls that were made.
    fault: BaseException | None = None
    #: The caller receives no more results.
    _over: bool = False
    _pending: set[CallHandle] = attrs.field(factory=set)

    async def results_of(
        self, items: Iterable[T] | AsyncIterable[T], *, ordered: bool, return_exceptions: bool, readers: int
    ) -> AsyncGenerator[tuple[T, Any], None]:
        """Make the calls, and yield the results."""
        tasks = [asyncio.create_task(self.feed(items)), *(asyncio.create_task(self.read()) for _ in range(readers))]
        early: dict[int, _Job[T]] = {}
        feeding = True
        try:
            while feeding or self.given < self.made:
                job = await self.results.get()
                if job is None:
                    feeding = False
                    continue
                early[job.number if ordered else self.given] = job
                while (job := early.pop(self.given, None)) is not None:
                    if isinstance(job.outcome, BaseException) and not return_exceptions:
                        raise job.outcome
                    self.given += 1
                    self.room.release()
                    yield job.item, job.outcome
            if self.fault is not None:
                raise self.fault
        finally:
            for task in tasks:
                task.cancel()
            self.drop()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def feed(self, items: Iterable[T] | AsyncIterable[T]) -> None:
        """Make a call for each input, within *max_pending*."""
        try:
            await self.room.acquire()
            if isinstance(items, AsyncIterable):
                async for item in items:
                    await self._make(item)
            else:
                for item in items:
                    await self._make(item)
        # The caller's iterator may raise anything, also the CancelledError of something that it awaited.
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001
            self.fault = error
        self.results.put_nowait(None)

    async def read(self) -> None:
        """Read the responses of ended calls, one after the other."""
        while True:
            job = await self.ended.get()
            assert job.handle is not None  # noqa: S101 - it has ended
            try:
                job.outcome = await job.handle.response(self.Output)
            except Exception as error:  # noqa: BLE001 - it becomes the result
                job.outcome = error
            self._pending.discard(job.handle)
            self.results.put_nowait(job)

    def drop(self) -> None:
        """Cancel the handles whose results the caller will not receive: queued calls never start."""
        self._over = True
        for handle in self._pending:
            if not handle.cancel() and not handle.cancelled():
                handle.exception()  # suppress asyncio's "exception was never retrieved" report

    async def _make(self, item: T) -> None:
        """Make a call for an input, and wait until *max_pending* allows the next."""
        if self._over:
            raise asyncio.CancelledError  # again, because the inputs caught the first and continued
        job = _Job(self.made, item)
        try:
            handle = job.handle = self.call(item)
        except UsageError as error:
            job.outcome = type(error)(f"item {job.number} of the map, {_brief(item)}: {error}")
            self.results.put_nowait(job)
        else:
            self._pending.add(handle)
            handle.add_done_callback(lambda _: self.ended.put_nowait(job))
        self.made += 1
        if self.made % _TURN == 0:
            await _clock.sleep(0)
        await self.room.acquire()


def _brief(item: object, key: str = "", depth: int = 2) -> str:
    """Return *item* as a short text; values that seem to be secrets are shown as stars."""
    match item:
        case str():
            shown = item if len(item) <= _CHARACTERS else f"{item[:_CHARACTERS]}..."
            return "***" if looks_secret(key, item) else repr(shown)
        case None | bool() | float():
            return repr(item)
        case int() if abs(item) < 2**64:
            return repr(item)
        case dict() if depth:
            parts = [f"{_brief(name)}: {_brief(value, str(name), depth - 1)}" for name, value in _first(item.items())]
        case list() | tuple() if depth:
            parts = [_brief(value, key, depth - 1) for value in _first(item)]
        case _:
            return f"<{type(item).__name__}>"
    inside = ", ".join(parts if len(item) <= _MEMBERS else [*parts, "..."])
    return f"{{{inside}}}" if isinstance(item, dict) else f"[{inside}]"


def _first(items: Iterable[T]) -> Iterable[T]:
    return itertools.islice(items, _MEMBERS)

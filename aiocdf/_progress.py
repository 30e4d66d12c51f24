"""A progress bar for waiting; needs the extra `cli`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from aiocdf import _clock
from aiocdf.errors import ConfigError, InvalidType

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from rich.console import Console
    from rich.progress import Progress

__all__ = ["progress"]

T = TypeVar("T")

# Seconds between two updates in Jupyter, because each is a message to the browser.
_UPDATE_EVERY = 0.1


@overload
async def progress(
    awaitables: Iterable[Awaitable[T]],
    *,
    return_exceptions: Literal[False] = False,
    description: str = "calls",
    console: Console | None = None,
) -> list[T]: ...


@overload
async def progress(
    awaitables: Iterable[Awaitable[T]],
    *,
    return_exceptions: Literal[True],
    description: str = "calls",
    console: Console | None = None,
) -> list[T | BaseException]: ...


async def progress(
    awaitables: Iterable[Awaitable[Any]],
    *,
    return_exceptions: bool = False,
    description: str = "calls",
    console: Console | None = None,
) -> list[Any]:
    """Wait for handles or other awaitables with a progress bar, and return their results like `asyncio.gather`.

    In Jupyter, the bar is part of the cell's output. An error or a cancellation ends the wait, and cancels no call.

    Args:
        awaitables: Handles, to get the ended calls; or `handle.response()` of each, to get the responses.
        return_exceptions: Whether to return errors as results instead of raising the first.
        description: The text before the bar.
        console: The console to draw on; None for standard error.

    Raises:
        ConfigError: The extra `cli` is not installed.
        InvalidType: *awaitables* is one handle, or not a list of awaitables; for one, write `[handle]`.
    """
    # A single handle is iterable too, because it is awaitable.
    if isinstance(awaitables, asyncio.Future) or not isinstance(awaitables, Iterable):
        raise InvalidType(f"progress takes a list of handles, not {awaitables!r}: write [handle] for one")
    waits = list(awaitables)
    bar = _bar(console)
    task, failures = bar.add_task(description, total=len(waits), failed=""), 0
    with _shown(bar) as refresh:

        def count(error: BaseException | None) -> None:
            nonlocal failures
            failures += error is not None
            bar.update(task, advance=1, failed=f"{failures} failed" if failures else "")
            refresh()

        return await _gather([_counted(wait, count) for wait in waits], return_exceptions=return_exceptions)


async def _gather(waits: list[Any], *, return_exceptions: bool) -> list[Any]:
    """Gather the results, and end all tasks in any case."""
    loop = asyncio.get_running_loop()
    tasks = [loop.create_task(wait) for wait in waits]
    try:
        return await asyncio.gather(*tasks, return_exceptions=return_exceptions)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _counted(awaitable: Awaitable[T], count: Callable[[BaseException | None], None]) -> T:
    try:
        result = await awaitable
    except Exception as error:
        count(error)
        raise
    count(None)
    return result


def _bar(console: Console | None) -> Progress:
    try:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
    except ImportError:
        raise ConfigError('a progress bar needs one more package: pip install "aiocdf[cli]"') from None

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[failed]}", style="red", markup=False),
        TimeElapsedColumn(),
        console=console or Console(stderr=True),
    )


@contextmanager
def _shown(bar: Progress) -> Iterator[Callable[[], None]]:
    """Show a bar, and yield a function to call when it has changed."""
    if not bar.console.is_jupyter:
        with bar:
            yield lambda: None
        return
    # Rich's live display would need one more package in the notebook's environment.
    from IPython.display import display

    shown, updated_at = display(bar, display_id=True), _clock.monotonic()

    def refresh() -> None:
        nonlocal updated_at
        if _clock.monotonic() - updated_at >= _UPDATE_EVERY:
            shown.update(bar)
            updated_at = _clock.monotonic()

    try:
        yield refresh
    finally:
        shown.update(bar)

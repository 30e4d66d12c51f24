from __future__ import annotations

import asyncio
import io
import sys
from contextlib import suppress

import pytest
from rich.console import Console
from tqdm.asyncio import tqdm

import aiocdf
from aiocdf import CallFailed, ConfigError, InvalidType

pytestmark = pytest.mark.looptime


@pytest.fixture
def screen():
    """A terminal that keeps what is drawn."""
    return Console(file=io.StringIO(), force_terminal=True, width=80)


def tasks_left():
    return [task for task in asyncio.all_tasks() if "_counted" in repr(task)]


async def test_results_in_order_and_a_bar(client, screen):
    """The results are in the order of the handles, not of their ends, and the bar counts up to their number."""
    handles = [client.call(1, data={"seconds": seconds}) for seconds in (3, 1, 2)]
    calls = await aiocdf.progress(handles, console=screen, description="doubling [b]")

    assert [call.id for call in calls] == [handle.call_id for handle in handles]
    assert "doubling [b]" in screen.file.getvalue()
    assert "3/3" in screen.file.getvalue()
    assert "failed" not in screen.file.getvalue()


async def test_values(client, screen):
    """Other awaitables than handles do too, such as responses."""
    handles = [client.call(1, data={"value": n}) for n in range(3)]
    assert await aiocdf.progress((handle.response() for handle in handles), console=screen) == [0, 1, 2]


async def test_errors_are_counted_and_returned(client, screen):
    """With `return_exceptions`, errors are returned as results, and the bar shows their number."""
    handles = [client.call(1, data={"error": {"message": "no"}}), client.call(1)]
    failed, call = await aiocdf.progress(handles, return_exceptions=True, console=screen)

    assert (type(failed), call.status) == (CallFailed, "Completed")
    assert "1 failed" in screen.file.getvalue()


async def test_the_first_error_is_raised(client, screen):
    """Without it, the first error is raised at once, and the other calls go on."""
    failing, long = client.call(1, data={"error": {"message": "no"}}), client.call(1, data={"seconds": 50})
    with pytest.raises(CallFailed):
        await aiocdf.progress([failing, long], console=screen)

    assert not long.done()
    assert not tasks_left()
    assert (await long).status == "Completed"


async def test_cancelled(client, screen):
    """Cancelling the wait leaves no task of its own, and cancels no call."""
    handle = client.call(1, data={"seconds": 5})
    with suppress(TimeoutError):
        async with asyncio.timeout(1):
            await aiocdf.progress([handle], console=screen)

    assert not tasks_left()
    assert (await handle).status == "Completed"


async def test_nothing_to_wait_for(screen):
    """An empty list of handles returns an empty list."""
    assert await aiocdf.progress([], console=screen) == []


async def test_a_handle_alone(client):
    """One handle outside of a list is refused."""
    handle = client.call(1)
    with pytest.raises(InvalidType):
        await aiocdf.progress(handle)
    await handle


async def test_without_rich(monkeypatch):
    """Without the extra, the error names it."""
    monkeypatch.setitem(sys.modules, "rich.console", None)
    with pytest.raises(ConfigError, match=r"aiocdf\[cli\]"):
        await aiocdf.progress([])


async def test_tqdm(client):
    """`tqdm.asyncio` takes handles as it takes other awaitables."""
    handles = [client.call(1, data={"seconds": seconds}) for seconds in (3, 1, 2)]
    calls = await tqdm.gather(*handles, file=io.StringIO())
    assert [call.id for call in calls] == [handle.call_id for handle in handles]

    ended = [(await each).id for each in tqdm.as_completed(handles, file=io.StringIO())]
    assert sorted(ended) == sorted(call.id for call in calls)

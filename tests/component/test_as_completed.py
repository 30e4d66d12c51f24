from __future__ import annotations

import asyncio
import itertools
import time

import pytest

from aiocdf import CallFailed, ClientClosed, InvalidType, WrongState

pytestmark = pytest.mark.looptime


async def alist(source):
    return [each async for each in source]


class TestAsCompleted:
    async def test_in_the_order_of_ends(self, client):
        """Handles come out done, in the order in which their calls end, each once."""
        handles = [client.call(1, {"seconds": n}) for n in (3, 1, 2)]
        ended = [handle async for handle in client.as_completed([*handles, handles[0]])]
        assert ended == [handles[1], handles[2], handles[0]]
        assert all(handle.done() for handle in ended)

    async def test_failed_and_cancelled_ones(self, client):
        """Handles that failed or were cancelled come out as well."""
        failing, cancelled, done = client.call(1, {"error": "no"}), client.call(1), client.call(1)
        await done
        cancelled.cancel()
        ended = {handle async for handle in client.as_completed([failing, cancelled, done])}
        assert ended == {failing, cancelled, done}
        assert isinstance(failing.exception(), CallFailed)

    async def test_none(self, client):
        """No handles, no waiting."""
        assert [handle async for handle in client.as_completed([])] == []

    async def test_left_early(self, client):
        """Who stops early harms no call."""
        handles = [client.call(1, {"seconds": n}) for n in (1, 5, 5)]
        assert await anext(client.as_completed(handles)) is handles[0]
        assert {call.status for call in await asyncio.gather(*handles)} == {"Completed"}

    async def test_closed_meanwhile(self, service):
        """When the client closes, all handles come out."""
        async with service.client() as client:
            handles = [client.call(1, {"seconds": 50}) for _ in range(3)]
            ended = client.as_completed(handles)
            task = asyncio.create_task(anext(ended))
            await asyncio.sleep(1)
        assert isinstance((await task).exception(), ClientClosed)
        assert len([handle async for handle in ended]) == 2

    async def test_added_meanwhile(self, client):
        """Handles that are added while it runs come out too: calls that follow from others."""
        ended = client.as_completed([client.call(1, {"seconds": n, "value": n}) for n in (1, 2)])
        seen = []
        async for handle in ended:
            value = await handle.response()
            seen.append(value)
            if value in (1, 2):
                follower = client.call(1, {"seconds": 5, "value": 10 * value})
                ended.add(follower)
                ended.add(follower)
        assert seen == [1, 2, 10, 20]

    async def test_added_to_an_empty_one(self, client):
        """It can begin empty, and can be gone through again when more was added."""
        ended = client.as_completed(iter([]))
        assert await alist(ended) == []
        handle = client.call(1)
        ended.add(handle)
        assert await alist(ended) == [handle]

    async def test_added_while_another_loop_waits(self, client):
        """A handle added from outside comes out in its order, before others that were there."""
        slow, quick = client.call(1, {"seconds": 50}), client.call(1, {"seconds": 1})
        ended = client.as_completed([slow])
        waiting = asyncio.create_task(anext(ended))
        await asyncio.sleep(0.5)
        ended.add(quick)
        assert await waiting is quick
        assert await alist(ended) == [slow]

    async def test_several_at_once(self, client):
        """Several loops share the handles, each of which comes out once; all of the loops end."""
        handles = [client.call(1, {"seconds": n}) for n in range(7)]
        ended = client.as_completed(handles)
        shares = await asyncio.gather(*(alist(ended) for _ in range(3)))
        assert sorted(itertools.chain(*shares), key=handles.index) == handles

    async def test_cancelled_wait(self, client):
        """A wait that is cut short loses nothing: the handle comes out at the next."""
        handles = [client.call(1, {"seconds": 3}), client.call(1, {"seconds": 4})]
        ended = client.as_completed(handles)
        for _ in range(2):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.5):
                    await anext(ended)
        assert await alist(ended) == handles

    @pytest.mark.parametrize("handles", [lambda handle: handle, lambda _: 5, lambda _: None], ids=["one", "5", "None"])
    async def test_no_list(self, client, handles):
        """One handle, which could be gone through as well, and what cannot are refused at once."""
        handle = client.call(1)
        with pytest.raises(InvalidType, match=r"takes a list of handles, .* write \[handle\] for one"):
            client.as_completed(handles(handle))
        await handle

    @pytest.mark.parametrize("bad", [5, None, "cdf:cdf.test:acme:1:2"])
    async def test_no_handles(self, client, bad):
        """An object that is not a handle is rejected at once, in a list and with `add`."""
        with pytest.raises(InvalidType, match="waits for handles"):
            client.as_completed([bad])
        with pytest.raises(InvalidType, match="waits for handles"):
            client.as_completed([]).add(bad)

    async def test_handle_of_another_loop(self, client):
        """A handle that belongs to another loop is refused instead of never coming out."""
        handle = client.call(1)

        async def elsewhere():
            client.as_completed([handle])

        with pytest.raises(WrongState, match="another event loop"):
            await asyncio.to_thread(asyncio.run, elsewhere())

    async def test_10_000(self, client):
        """10,000 done handles come out in linear time."""
        handles = [client.attach(1, number) for number in range(1, 10_001)]
        for handle in handles:
            handle.cancel()
        start = time.thread_time()
        assert len(await alist(client.as_completed(handles))) == 10_000
        assert time.thread_time() - start < 1

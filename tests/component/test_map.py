from __future__ import annotations

import asyncio
import gc
import itertools
import time
from contextlib import aclosing, suppress

import attrs
import pytest

from aiocdf import (
    CallFailed,
    CallHandle,
    ClientClosed,
    DecodeError,
    InvalidArgument,
    InvalidType,
    SecretInDataWarning,
    WrongState,
)
from aiocdf._map import MapResults

pytestmark = pytest.mark.looptime


@attrs.frozen
class Output:
    """What a function returns."""

    total: int


class Endless:
    """Inputs without an end, which says how many were taken; a call of each runs a second and returns its number."""

    def __init__(self, **data):
        self.data = data
        self.taken = 0

    def __iter__(self):
        for self.taken in itertools.count(1):
            yield {"seconds": 1, "value": self.taken - 1, **self.data}

    async def __aiter__(self):
        for item in self:
            yield item


def tasks_of_ours():
    """The tasks that are not the engine's, which continue while detached calls run."""
    return {task for task in asyncio.all_tasks() if "_engine" not in task.get_coro().cr_code.co_filename}


def inputs(*seconds, **more):
    return [{"seconds": each, "value": number, **more} for number, each in enumerate(seconds)]


async def alist(source):
    return [each async for each in source]


async def values(source):
    return [value async for _, value in source]


async def collect(seen, source):
    """Add the values to those seen, of which some remain when there is an error."""
    async for _, value in source:
        seen.append(value)


async def stream(items, *, every=0.0):
    """Yield items to the consumer."""
    for item in items:
        await asyncio.sleep(every)
        yield item


class TestMap:
    async def test_as_they_end(self, client):
        """Each item comes with what the function returned for it, in the order in which the calls end."""
        items = inputs(3, 1, 2)
        assert await alist(client.map("double", items)) == [(items[1], 1), (items[2], 2), (items[0], 0)]

    async def test_ordered(self, client):
        """With `ordered` they come in the order of the inputs, each as soon as it and those before it are there."""
        seen = [
            (value, int(asyncio.get_running_loop().time()))
            async for _, value in client.map(1, inputs(3, 1, 5, 2), ordered=True)
        ]
        assert seen == [(0, 3), (1, 3), (2, 5), (3, 5)]

    @pytest.mark.parametrize("ordered", [False, True])
    @pytest.mark.parametrize("kind", [list, tuple, iter, stream, lambda items: (item for item in items)])
    async def test_inputs_of_any_kind(self, client, service, kind, ordered):
        """Inputs come from any iterable or async iterable."""
        seen = await values(client.map(1, kind(inputs(*[1] * 30)), ordered=ordered))
        assert sorted(seen) == list(range(30))
        assert service.count("start") == 30

    @pytest.mark.parametrize("kind", [list, iter, stream])
    async def test_no_inputs(self, client, service, kind):
        """Without inputs there are no results, and no requests."""
        assert await alist(client.map("double", kind([]))) == []
        assert service.seen == []

    async def test_nothing_before_the_first_step(self, client, service):
        """No input is read and nothing is sent before the first result is requested."""
        items = Endless()
        results = client.map(1, items)
        await asyncio.sleep(5)
        assert (items.taken, service.seen) == (0, [])
        async with aclosing(results):
            await anext(results)

    async def test_repr(self, client):
        """It shows the function, and how far it is."""
        results = client.map("double", inputs(1, 1, 1))
        assert repr(results) == "<map of function 'double': 0 calls made, 0 results given>"
        await anext(results)
        assert repr(results) == "<map of function 'double': 3 calls made, 1 results given>"
        await results.aclose()

    async def test_slow_inputs(self, client):
        """Results come while the next input is waited for."""
        seen = [
            asyncio.get_running_loop().time()
            async for _ in client.map(1, stream(inputs(1, 1, 1), every=10), ordered=True)
        ]
        assert seen == pytest.approx([11, 21, 31], abs=0.5)

    async def test_output(self, client):
        """With a type, results are built of what the function returned."""
        items = [{"value": {"total": n}} for n in range(3)]
        assert await values(client.map(1, items, Output=Output, ordered=True)) == [Output(0), Output(1), Output(2)]

    async def test_other_output(self, client):
        """What does not fit the type raises, naming the path; or is given, as other errors are."""
        items = [{"value": {"total": "three"}}]
        with pytest.raises(DecodeError, match=r"\$\.total"):
            await values(client.map(1, items, Output=Output))
        (error,) = await values(client.map(1, items, Output=Output, return_exceptions=True))
        assert isinstance(error, DecodeError)

    async def test_usage(self, client):
        """An invalid argument is rejected at once, not at the first step."""
        with pytest.raises(InvalidArgument, match="max_pending is 0; it must be at least 1"):
            client.map(1, [], max_pending=0)
        with pytest.raises(InvalidArgument):
            client.map(-1, [])
        for bad in ("x", 1.5, True):
            with pytest.raises(InvalidType, match=f"max_pending is {bad!r}; it must be a whole number"):
                client.map(1, [], max_pending=bad)

    async def test_before_start_and_after_close(self, service):
        """A client that is not open says so at once."""
        client = service.client()
        with pytest.raises(WrongState):
            client.map(1, [])
        async with client:
            pass
        with pytest.raises(ClientClosed):
            client.map(1, [])

    async def test_appended_to_meanwhile(self, client):
        """Items appended to a list while it is gone through are taken as well."""
        items = inputs(1, 1, 1, 1)
        seen = []
        async for _, value in client.map(1, items, max_pending=2, ordered=True):
            seen.append(value)
            if value < 2:
                items.append({"value": value + 10})
        assert seen == [0, 1, 2, 3, 10, 11]

    async def test_inputs_made_of_results(self, client):
        """Results can be fed back as inputs through a queue, which says when there are no more."""
        todo = asyncio.Queue()

        async def found():
            while (depth := await todo.get()) is not None:
                yield {"seconds": 1, "value": depth}

        todo.put_nowait(0)
        open_, seen = 1, []
        async for _, depth in client.map(1, found()):
            seen.append(depth)
            open_ += -1 if depth == 3 else 1
            for _ in range(2 if depth < 3 else 0):
                todo.put_nowait(depth + 1)
            if open_ == 0:
                todo.put_nowait(None)
        assert seen == [0] + 2 * [1] + 4 * [2] + 8 * [3]


class TestMapErrors:
    @pytest.mark.parametrize("ordered", [False, True])
    async def test_failing_call(self, client, service, ordered):
        """The first error is raised, after the results that came before it; queued calls never start."""
        items = [*inputs(1, 2), {"seconds": 3, "error": "no"}, *inputs(*[40] * 200)]
        seen = []
        with pytest.raises(CallFailed):
            await collect(seen, client.map(1, items, ordered=ordered))
        assert seen == [0, 1]
        started = service.count("start")
        await asyncio.sleep(100)
        assert service.count("start") == started < 110

    async def test_errors_returned(self, client):
        """With `return_exceptions`, errors of calls are yielded as results."""
        items = [*inputs(1, 2), {"seconds": 3, "error": "no"}, {"seconds": 4, "timeout": True}, *inputs(5)]
        seen = await values(client.map(1, items, return_exceptions=True, ordered=True))
        assert [type(value).__name__ for value in seen] == ["int", "int", "CallFailed", "CallTimedOut", "int"]

    @pytest.mark.parametrize("bad", [7, {"x": object()}, None])
    async def test_bad_item(self, client, service, bad):
        """An item that is not valid data ends the map unsent; with `return_exceptions`, it is one error of many."""
        items = [*inputs(1), bad, *inputs(1)]
        good = 3 if bad is None else 2  # nothing is data, too: an empty object
        seen = await values(client.map(1, items, return_exceptions=True, ordered=True))
        assert sum(value is None or isinstance(value, int) for value in seen) == good
        assert service.count("start") == good
        if bad is not None:
            with pytest.raises(InvalidType):
                await values(client.map(1, items, ordered=True))

    async def test_unknown_function(self, client, service):
        """A function that does not exist fails each call; the first is raised."""
        with pytest.raises(Exception, match="missing"):
            await values(client.map("missing", inputs(1, 1)))
        errors = await values(client.map("missing", inputs(1, 1), return_exceptions=True))
        assert len(errors) == 2
        assert service.count("start") == 0

    @pytest.mark.parametrize("ordered", [False, True])
    @pytest.mark.parametrize("return_exceptions", [False, True])
    async def test_inputs_that_raise(self, client, service, ordered, return_exceptions):
        """What the inputs raise is raised after the results of the calls that were made, as it is."""
        error = KeyError("boom")

        def failing():
            yield from inputs(2, 1, 3)
            raise error

        seen = []
        with pytest.raises(KeyError) as caught:
            await collect(seen, client.map(1, failing(), ordered=ordered, return_exceptions=return_exceptions))
        assert seen == [0, 1, 2] if ordered else [1, 0, 2]
        assert caught.value is error

    async def test_async_inputs_that_raise(self, client):
        """The same for async inputs; also when what they awaited was cancelled, which must not look like their end."""

        async def failing(error):
            yield {"seconds": 1, "value": 1}
            raise error

        for error in (OSError("gone"), asyncio.CancelledError()):
            seen = []
            with pytest.raises(type(error)):
                await collect(seen, client.map(1, failing(error)))
            assert seen == [1]
        assert asyncio.current_task().cancelling() == 0

    @pytest.mark.parametrize("items", [5, None, "text", b"bytes", {"x": 1}, Output(1)])
    async def test_no_iterable(self, client, items):
        """What is not several items is refused when the map is made: one mapping or text is hardly meant."""
        with pytest.raises(InvalidType, match=f"not {type(items).__name__}: write"):
            client.map(1, items)

    async def test_one_call(self, client):
        """A handle, which Python can go through, is not taken for several items."""
        with pytest.raises(InvalidType, match="not CallHandle"):
            client.map(1, client.call(1))

    @pytest.mark.parametrize(
        ("bad", "shown"),
        [
            ({"x": object()}, "{'x': <object>}"),
            ({"password": "hunter2hunter2", "x": {1}}, "{'password': ***, 'x': <set>}"),
            ([{"a": "b" * 99}, 1, 2.5, None, 5], f"[{{'a': '{'b' * 30}...'}}, 1, 2.5, None, ...]"),
            ({"a": {"b": {"c": 10**999}}, "d": {5}}, "{'a': {'b': <dict>}, 'd': <set>}"),
            (Output, "<type>"),
        ],
    )
    async def test_bad_item_is_named(self, client, bad, shown):
        """The error names the item by its number and shows it briefly, with stars for what looks secret."""
        results = client.map(1, [{}, bad], return_exceptions=True, ordered=True)
        _, error = await values(results)
        assert isinstance(error, InvalidType)
        assert str(error).startswith(f"item 1 of the map, {shown}: data ")

    async def test_bad_output(self, client):
        """A type that aiocdf cannot build is rejected when the map is made."""
        with pytest.raises(InvalidType, match=r"^Output is complex"):
            client.map(1, [], Output=complex)

    async def test_warnings_as_errors(self, client, service):
        """A warning that was made an error is one here, too."""
        with pytest.raises(SecretInDataWarning):
            await values(client.map(1, [{"password": "hunter2hunter2"}]))
        assert service.count("start") == 0


class TestMapLeft:
    async def test_left_early(self, client, service, reports):
        """Leaving the loop detaches the calls under way: queued ones never start, and no error is reported."""
        items = itertools.chain(inputs(1), inputs(*[5] * 400, error="not shown"))
        async with aclosing(client.map(1, items)) as results:
            async for _, value in results:
                assert value == 0
                break
        assert client.stats().waiting == 0
        started = service.count("start")
        await asyncio.sleep(100)
        assert service.count("start") == started <= 101
        assert service.count("response") == 1

    async def test_left_by_stubborn_inputs(self, client, service):
        """Inputs that catch their cancellation and go on have no more calls made of them."""

        async def items():
            yield {"value": 0}
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            while True:
                yield {"value": 1}

        async with aclosing(client.map(1, items())) as results:
            await anext(results)
        await asyncio.sleep(10)
        assert service.count("start") == 1

    async def test_left_by_break(self, client, service):
        """The same after a plain `break`: Python closes the iterator when its last reference is gone."""
        async for _ in client.map(1, inputs(1, *[5] * 400)):
            break
        gc.collect()
        await asyncio.sleep(0.1)
        assert client.stats().waiting == 0
        assert tasks_of_ours() == {asyncio.current_task()}

    async def test_left_with_failed_calls_unread(self, client, reports):
        """Calls that failed, and that no reader came to, make no noise."""
        items = [*inputs(*[1] * 40), *inputs(*[1] * 40, error="no")]
        async with aclosing(client.map(1, items)) as results:
            await anext(results)

    @pytest.mark.parametrize("after", [0.0, 0.005, 0.015, 0.5, 1.001, 1.17, 1.19, 1.5, 2.0, 2.5, 9.0])
    @pytest.mark.parametrize("kind", [list, lambda items: stream(items, every=0.1)])
    async def test_cancelled(self, client, service, after, kind):
        """Cut off at any moment, a map leaves no task and no queued call behind."""

        async def consume():
            items = kind(inputs(*[1, 2, 3] * 100))
            async with aclosing(client.map("double", items, max_pending=150, ordered=True)) as results:
                async for _ in results:
                    await asyncio.sleep(0.3)

        task = asyncio.create_task(consume())
        await asyncio.sleep(after)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert client.stats().waiting == 0
        assert tasks_of_ours() == {asyncio.current_task()}
        started = service.count("start")
        await asyncio.sleep(60)
        assert service.count("start") <= started + client.settings.max_concurrent_submissions
        assert client.stats().running == 0

    async def test_cancelled_twice(self, client, service):
        """A second cancellation, while inputs take their time to end, does no harm either."""

        async def stubborn():
            try:
                for item in inputs(*[5] * 150):
                    yield item
                await asyncio.sleep(1e6)
            finally:
                await asyncio.sleep(3)

        task = asyncio.create_task(values(client.map(1, stubborn())))
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.sleep(1)
        assert client.stats().waiting == 0
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert tasks_of_ours() == {asyncio.current_task()}

    async def test_closed_meanwhile(self, service, reports):
        """When the client closes, the map ends by name, also for calls whose responses are being read."""
        service.latency = 0.2
        async with service.client() as client:
            task = asyncio.create_task(values(client.map(1, Endless())))
            while service.count("response") == 0:
                await asyncio.sleep(0.01)
        with pytest.raises(ClientClosed):
            await task

    async def test_closed_with_errors_returned(self, service, reports):
        """With `return_exceptions`, calls cut off come as errors, and then the map says why there are no more."""
        seen = []
        async with service.client() as client:
            results = client.map(1, Endless(seconds=50), return_exceptions=True, max_pending=10)
            task = asyncio.create_task(collect(seen, results))
            await asyncio.sleep(5)
        with pytest.raises(ClientClosed):
            await task
        assert len(seen) == 10
        assert {type(value) for value in seen} == {ClientClosed}


class TestMapPressure:
    @pytest.mark.parametrize("ordered", [False, True])
    @pytest.mark.parametrize("most", [1, 7, 120])
    async def test_never_more_than_max_pending(self, client, service, most, ordered):
        """However slow the consumer, no more calls are made, and no more inputs taken, than it has room for."""
        items, taken = Endless(), 0
        async with aclosing(client.map(1, items, max_pending=most, ordered=ordered)) as results:
            async for _ in results:
                taken += 1
                await asyncio.sleep(0.4)
                assert items.taken <= taken + most
                assert service.count("start") <= taken + most
                if taken == 25:
                    break
        assert items.taken >= min(25, most)

    async def test_async_inputs_are_taken_lazily(self, client):
        """Async inputs are taken as there is room, too."""
        items = Endless()
        async with aclosing(client.map(1, aiter(items), max_pending=3)) as results:
            await anext(results)
            await asyncio.sleep(60)
        assert items.taken == 4

    async def test_default(self, client):
        """By default, twice as many calls are under way as the project may run."""
        items = Endless()
        async with aclosing(client.map(1, items)) as results:
            await anext(results)
            await asyncio.sleep(60)
        assert items.taken == 501

    async def test_full_speed(self, client, service):
        """With room for two rounds the places at the service stay full."""
        count = 0
        async for _ in client.map(1, ({"seconds": 4} for _ in range(1000))):
            count += 1
        assert count == 1000
        assert asyncio.get_running_loop().time() < 1.1 * 10 * 4

    @pytest.mark.parametrize("ordered", [False, True])
    async def test_own_time(self, ordered):
        """10,000 results cost the map itself well under a second, beside what the calls cost."""

        class Done:
            async def response(self, _):
                return 1

        def call(_):
            handle = CallHandle(Done(), loop=asyncio.get_running_loop())
            handle.set_result(None)
            return handle

        options = {"function": 1, "Output": None, "return_exceptions": False, "max_pending": 500, "readers": 16}
        start = time.thread_time()
        seen = await alist(MapResults(call, range(10_000), ordered=ordered, **options))
        taken = time.thread_time() - start
        assert len(seen) == 10_000
        assert taken < 1  # some 0.15 s on a machine of 2024

    async def test_loop_has_its_turn(self, client):
        """While many bad items are gone through, the loop comes round."""
        turns = 0

        async def others():
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        task = asyncio.create_task(others())
        errors = await values(client.map(1, itertools.repeat(7, 2000), return_exceptions=True, max_pending=5000))
        task.cancel()
        assert len(errors) == 2000
        assert turns >= 20

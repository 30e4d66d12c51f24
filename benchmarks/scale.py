"""Measures the cost of the client at a large scale: many calls, handles, waiters and functions.

Prints a Markdown table of targets and results. Each measurement has its own process. Times are by the wall clock. How long
the event loop is blocked, and whether a time grows in proportion, is measured by the thread's processor time, because other
processes may use the same processor.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import attrs
from gauges import Pulse, Stopwatch, Took, inner, resident, traced
from substitutes import Answering, Still, opened

from aiocdf import Settings
from aiocdf.local import serve

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from aiocdf import Client
    from aiocdf.handle import CallHandle
    from aiocdf.local import LocalServer

CALLS, TURN, FUNCTIONS = 100_000, 1_000, 8
#: How much more than in proportion to the number a time may grow.
LINEAR = 2.0
WARM, SERIAL = 10, 40
INSTANT = '"""Return at once."""\n\n\ndef handle(data):\n    """Return nothing much."""\n    return {}\n'


@attrs.frozen
class Row:
    """A line of the table."""

    what: str
    target: str
    result: str
    met: bool | None = None

    def __str__(self) -> str:
        """Write the line as Markdown."""
        met = "" if self.met is None else "yes" if self.met else "**no**"
        return f"| {self.what} | {self.target} | {self.result} | {met} |"


def linear(small: Took, large: Took, times: float) -> tuple[str, bool]:
    """Return how much more than in proportion a time has grown, as text and as a verdict.

    Args:
        small: The time of the smaller number.
        large: The time of the larger number.
        times: How many times larger that is.
    """
    factor = large.own / small.own / times
    return f"{factor:.1f} times as long each as with 1/{times:g} of them", factor <= LINEAR


def row_of_time(what: str, most: float, small: Took, large: Took) -> Row:
    """Return the row of a time that has a limit and should grow in proportion: four times from *small* to *large*."""
    grown, proportional = linear(small, large, 4)
    result = f"{large.wall:.3f} s ({large.own:.3f} s of processor time; {grown})"
    return Row(what, f"<= {most:g} s, linear", result, large.wall <= most and proportional)


async def fill(client: Client, handles: list[Any]) -> None:
    """Queue one call for each place in *handles*, in turns, so that the loop can run in between."""
    for first in range(0, len(handles), TURN):
        for key in range(first, min(first + TURN, len(handles))):
            handles[key] = client.call(key % FUNCTIONS + 1, {"key": key})
        await asyncio.sleep(0)


async def warm(client: Client) -> None:
    """Make calls that occupy every submitter, because these are not part of the cost of a queued call."""
    await fill(client, [None] * 200)
    for _ in range(20):
        await asyncio.sleep(0)
    gc.collect()


async def bytes_a_call(count: int, taken: Callable[[], int]) -> float:
    """Return the memory of a queued call in addition to its JSON data.

    Args:
        count: How many calls to queue.
        taken: Returns how many bytes are in use, in total or since its first call.
    """
    handles: list[Any] = [None] * count
    async with opened(Still()) as client:
        await warm(client)
        before = taken()
        await fill(client, handles)
        gc.collect()
        data = sum(len(json.dumps({"key": key})) for key in range(count))
        return (taken() - before - data) / count


async def measure_memory() -> list[Row]:
    """Measure the memory of queued calls in two ways."""
    held = await bytes_a_call(CALLS, resident)
    given = await bytes_a_call(CALLS, traced)
    what = f"memory of each of {CALLS:,} queued calls, beyond the data"
    return [
        Row(f"{what} (tracemalloc)", "<= 700 B", f"{given:,.0f} B", given <= 700),
        Row(f"{what} (resident memory)", "", f"{held:,.0f} B"),
    ]


async def measure_queue() -> list[Row]:
    """Measure how long it takes to queue calls and to close, and how long the loop is blocked."""
    handles: list[Any] = [None] * CALLS
    async with opened(Still()) as client:
        await warm(client)
        pulse, watch = Pulse(), Stopwatch()
        await fill(client, handles)
        made, creation = watch.took(), await pulse.stop()
        watch = Stopwatch()
        gc.collect()
        collection = watch.took()
        pulse, watch = Pulse(), Stopwatch()
        await client.aclose()
        closed, closing = watch.took(), await pulse.stop()
    if not all(handle.done() for handle in handles):
        raise RuntimeError("handles were left without an end")
    each, own = 1e6 * made.wall / CALLS, 1e6 * made.own / CALLS
    return [
        Row("time to create one of them", "<= 50 us", f"{each:.0f} us ({own:.0f} us of processor time)", each <= 50),
        row_of_pauses(f"stand-still while they are created, {TURN:,} a turn", creation, collection),
        Row("`aclose`", "<= 2 s", f"{closed.wall:.2f} s ({closed.own:.2f} s of processor time)", closed.wall <= 2),
        row_of_pauses("stand-still during `aclose`", closing, collection),
    ]


def row_of_pauses(what: str, turns: list[tuple[Took, float]], collection: Took) -> Row:
    """Return the row of the longest turn without its garbage collections, except for one."""
    beyond, (turn, collected) = max((turn.own - min(spent, collection.own), (turn, spent)) for turn, spent in turns)
    result = (
        f"{1000 * beyond:.0f} ms, of a turn of {1000 * turn.wall:.0f} ms (collector {1000 * collected:.0f} ms, "
        f"one `gc.collect()` {1000 * collection.own:.0f} ms; longest turn {1000 * max(t.wall for t, _ in turns):.0f} ms)"
    )
    return Row(what, "<= 20 ms beyond one collection", result, beyond <= 0.02)


async def attach_and(count: int, *, detach: bool) -> tuple[Took, Took]:
    """Attach *count* handles to a running call; return how long that took, and how long their end took.

    Args:
        count: How many.
        detach: Detach them all. Otherwise the call ends, and the time starts with the answer that reports it.
    """
    service = Answering()
    gc.collect()
    async with opened(service) as client:
        watch = Stopwatch()
        handles: list[CallHandle] = [client.attach(1, 5) for _ in range(count)]
        attached = watch.took()
        await service.polled.wait()
        if detach:
            watch = Stopwatch()
            for handle in handles:
                handle.detach()
            return attached, watch.took()
        service.ended = True
        await handles[0].wait()
        for handle in handles:
            if not handle.done():
                await handle.wait()
        return attached, (service.reported or watch).took()


async def measure_attach() -> list[Row]:
    """Measure many handles on one call."""
    (small, few_left), (large, left) = [await attach_and(count, detach=True) for count in (5_000, 20_000)]
    (_, few_ended), (_, ended) = [await attach_and(count, detach=False) for count in (5_000, 20_000)]
    return [
        row_of_time("20,000 `attach` to one running call", 0.5, small, large),
        row_of_time("all of them detached", 0.5, few_left, left),
        row_of_time("or the call ends, and all of them with it", 0.5, few_ended, ended),
    ]


async def time_out(count: int, wait: Callable[[], Awaitable[Any]], *, after: float = 3.0) -> Took:
    """Let *count* tasks time out at the same moment, and return the time until all have ended.

    Args:
        count: How many.
        wait: Returns the awaitable that a task waits for.
        after: Seconds until the time-out. All tasks must have started to wait by then.
    """
    loop = asyncio.get_running_loop()
    gc.collect()
    moment, begun, watch = loop.time() + after, 0, Stopwatch()

    def start() -> None:
        nonlocal watch
        watch = Stopwatch()

    async def one() -> None:
        nonlocal begun
        begun += 1
        try:
            async with asyncio.timeout_at(moment):
                await wait()
        except TimeoutError:
            return
        raise RuntimeError("what the task waited for has ended")

    loop.call_at(moment - 1e-6, start)
    tasks = [asyncio.create_task(one()) for _ in range(count)]
    await asyncio.sleep(0)
    if begun < count or loop.time() >= moment:
        raise RuntimeError("the tasks did not all begin to wait before the moment of their timeout")
    await asyncio.gather(*tasks)
    return watch.took()


async def measure_timeouts(what: str, wait: Callable[[CallHandle], Callable[[], Awaitable[Any]]]) -> list[Row]:
    """Measure how long it takes until all waiters on one handle, or on separate futures, have timed out together."""
    floor = await time_out(16_000, asyncio.get_running_loop().create_future)
    async with opened(Still()) as client:
        handle = client.call(1, {"key": 1})
        small, large = [await time_out(count, wait(handle)) for count in (4_000, 16_000)]
    return [
        row_of_time(f"16,000 tasks in {what} time out together", 0.5, small, large),
        Row("the same, each on a future of its own", "(the floor)", f"{floor.wall:.3f} s ({floor.own:.3f} s)"),
    ]


async def measure_serial() -> list[Row]:
    """Measure calls one after the other of a function that takes a millisecond, on the local server."""
    with tempfile.TemporaryDirectory() as folder:
        write_instant(folder)
        async with serve(folder, port=0) as server, aiohttp.ClientSession() as session, server.client() as client:
            floor = await serial(await bare(server, session))
            each = await serial(lambda: client.call("instant", {}).response())
    return [
        Row("calls of a function of 1 ms one after the other, median", "<= 35 ms", f"{each:.1f} ms", each <= 35),
        Row(
            "the same by bare requests: session, call, poll without a pause, response", "(the floor)", f"{floor:.1f} ms"
        ),
    ]


def write_instant(folder: str) -> None:
    """Write the function `instant` into a folder of functions."""
    handler = Path(folder, "instant", "handler.py")
    handler.parent.mkdir()
    handler.write_text(INSTANT)


async def serial(call: Callable[[], Coroutine[Any, Any, Any]]) -> float:
    """Make calls one after the other and return the median of their milliseconds, without those of the first few."""
    walls = []
    for _ in range(WARM + SERIAL):
        watch = Stopwatch()
        await call()
        walls.append(1000 * watch.took().wall)
    return statistics.median(walls[WARM:])


async def bare(server: LocalServer, session: aiohttp.ClientSession) -> Callable[[], Coroutine[Any, Any, None]]:
    """Return a coroutine function that calls `instant` with as few requests as possible, one after the other."""
    known = server.environment()
    client, secret = known["IDP_CLIENT_ID"], known["IDP_CLIENT_SECRET"]
    grant = {"grant_type": "client_credentials", "client_id": client, "client_secret": secret}
    async with session.post(known["IDP_TOKEN_URL"], data=grant) as answer:
        headers = {"authorization": f"Bearer {(await answer.json())['access_token']}"}
    url = f"{server.url}/api/v1/projects/{server.project}"

    async def send(method: str, path: str, body: Any = None) -> Any:
        async with session.request(method, url + path, json=body, headers=headers, raise_for_status=True) as answer:
            return await answer.json()

    found = await send("POST", "/functions/byids", {"items": [{"externalId": "instant"}]})
    function = f"/functions/{found['items'][0]['id']}"

    async def call() -> None:
        made = await send("POST", "/sessions", {"items": [{"clientId": client, "clientSecret": secret}]})
        call = await send("POST", f"{function}/call", {"data": {}, "nonce": made["items"][0]["nonce"]})
        while call["status"] == "Running":
            (call,) = (await send("POST", f"{function}/calls/byids", {"items": [{"id": call["id"]}]}))["items"]
        await send("GET", f"{function}/calls/{call['id']}/response")

    return call


async def pinned() -> tuple[int, Counter[str]]:
    """Keep a finished handle of a closed client.

    Returns:
        How many objects of the engine there were before the client was closed, and by type those that are left with
        the handle, without its own record and the names that the record's reference needs.
    """
    before = inner()
    async with opened(Answering(ended=True)) as client:
        handle = client.call(1, {"key": 1})
        await handle.wait()
        there = (inner() - before).total()
    del client
    await asyncio.sleep(0)
    return there, inner() - before - Counter(["CallRecord", "Shared"])


async def measure_kept() -> list[Row]:
    """Count what one handle keeps alive after its client was closed."""
    there, left = await pinned()
    kinds = ", ".join(f"{count} {kind}" for kind, count in left.most_common(4))
    result = f"{left.total()} of {there}" + (f": {kinds}, ..." if left else "")
    return [
        Row(
            "objects of the engine that a finished handle keeps after `aclose`, beside its record",
            "0",
            result,
            not left,
        )
    ]


async def accept(functions: int) -> Took:
    """Make one call of each of many functions, and return the time until the service has accepted all of them."""
    gc.collect()
    async with opened(Answering(), settings=Settings(project_limit=functions)) as client:
        watch = Stopwatch()
        handles = [client.call(number, {"key": number}) for number in range(1, functions + 1)]
        for handle in handles:
            await handle.submitted()
        return watch.took()


async def measure_functions() -> list[Row]:
    """Measure one running call in each of many functions."""
    await accept(50)  # the first calls of a process are slower, which would look like growth
    few, many = await accept(200), await accept(2_000)
    grown, proportional = linear(few, many, 10)
    result = f"{1e6 * many.wall / 2_000:.0f} us ({1e6 * many.own / 2_000:.0f} us of processor time; {grown})"
    return [Row("each accepted call, one in each of 2,000 functions", "linear", result, proportional)]


MEASURES: dict[str, Callable[[], Coroutine[Any, Any, list[Row]]]] = {
    "memory": measure_memory,
    "queue": measure_queue,
    "attach": measure_attach,
    "waiting": lambda: measure_timeouts("`await handle`", lambda handle: lambda: handle),
    "submitted": lambda: measure_timeouts("`handle.submitted()`", lambda handle: handle.submitted),
    "serial": measure_serial,
    "kept": measure_kept,
    "functions": measure_functions,
}


def in_own_process(name: str) -> list[Row]:
    """Run a measurement in a separate process, and return its rows."""
    command = [sys.executable, __file__, "--here", name]
    # So that the script can import its neighbours.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONSAFEPATH"}
    try:
        ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
    except subprocess.TimeoutExpired:
        return [Row(name, "", "not done within ten minutes", met=False)]
    if ran.returncode:
        return [Row(name, "", f"failed: {ran.stderr.strip().splitlines()[-1:]}", met=False)]
    return [Row(**row) for row in json.loads(ran.stdout)]


def main() -> None:
    """Run the selected measurements, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--only", nargs="+", choices=MEASURES, default=list(MEASURES), help="measure no more than these"
    )
    parser.add_argument("--here", choices=MEASURES, help="make one measurement in this process, and print it as JSON")
    arguments = parser.parse_args()
    if arguments.here:
        print(json.dumps([attrs.asdict(row) for row in asyncio.run(MEASURES[arguments.here]())]))
        return
    print("| What | Target | Result | Met |", "|---|---|---|---|", sep="\n", flush=True)
    for name in arguments.only:
        print(*in_own_process(name), sep="\n", flush=True)


if __name__ == "__main__":
    main()

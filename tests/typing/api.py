"""What type checkers see of the public names. Read by mypy, never run."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Any, assert_type

import attrs

import aiocdf
from aiocdf import local


@attrs.frozen
class Reading:
    """What a function returns."""

    value: float


async def calls(client: aiocdf.Client) -> None:
    """A call is a future of the finished call; its value is typed by whoever asks for it."""
    call = client.call(1, data={"x": 2})
    assert_type(call, aiocdf.CallHandle)
    assert_type(await call, aiocdf.FunctionCall)
    assert_type(call.result(), aiocdf.FunctionCall)
    assert_type(await call.wait(), aiocdf.FunctionCall)
    assert_type(await call.submitted(), aiocdf.FunctionCall)
    assert_type(await call.response(), Any)
    assert_type(await call.response(Reading), Reading)
    assert_type(call.ref, aiocdf.CallRef)
    async for line in call.logs(follow=True):
        assert_type(line, aiocdf.LogEntry)


async def progress(client: aiocdf.Client) -> None:
    """A progress bar gives what the awaitables give; with exceptions among them, if they are asked for."""
    handles = [client.call(1)]
    assert_type(await aiocdf.progress(handles), list[aiocdf.FunctionCall])
    assert_type(
        await aiocdf.progress((call.response(Reading) for call in handles), return_exceptions=True),
        list[Reading | BaseException],
    )


def script() -> None:
    """A call without an event loop has the type that is asked for."""
    assert_type(aiocdf.run("double", {"x": 2}), Any)
    assert_type(aiocdf.run(1, Output=Reading), Reading)


async def futures(client: aiocdf.Client) -> None:
    """A handle goes wherever asyncio takes a future."""
    call: asyncio.Future[aiocdf.FunctionCall] = client.call("double", data={"x": 2})
    assert_type(await asyncio.wait_for(call, timeout=1), aiocdf.FunctionCall)
    async for ended in client.as_completed([client.attach("cdf:westeurope-1:acme:12:345")]):
        assert_type(ended, aiocdf.CallHandle)
    assert_type(await asyncio.gather(call, call), tuple[aiocdf.FunctionCall, aiocdf.FunctionCall])


async def functions(client: aiocdf.Client) -> None:
    """A function can be given the types of its data and its value."""
    double = client.function("double", Input=Reading, Output=Reading)
    assert_type(double, aiocdf.BoundFunction[Reading, Reading])
    assert_type(double.call(Reading(value=2)), aiocdf.CallHandle)
    assert_type(await double(Reading(value=2)), Reading)
    assert_type(await client.function(1, Output=list[int])({"x": 2}), list[int])
    assert_type(client.function(1, Reading), aiocdf.BoundFunction[Reading, Any])
    assert_type(await client.function(1)({"x": 2}), Any)
    assert_type(await client.functions.retrieve("double"), aiocdf.Function)


def scored(data: dict[str, float]) -> float:
    """Return something."""
    return data["x"]


async def deployments(client: aiocdf.Client, folder: Path) -> None:
    """Functions are made of folders, callables or files; the options can be passed on."""
    options: aiocdf.FunctionOptions = {
        "folder": folder,
        "secrets": {"key": aiocdf.Secret("hush")},
        "cpu": 1,
        "runtime": "py312",
    }
    assert_type(await client.functions.create("f", **options), aiocdf.Function)
    assert_type(await client.functions.create("f", folder="f", requirements=None), aiocdf.Function)
    assert_type(await client.functions.create_or_replace("f", handle=scored, external_id="f"), aiocdf.Function)
    made = asyncio.create_task(client.functions.create("f", file_id=3, extra_index_urls=["https://pypi.test"]))
    assert_type(await made, aiocdf.Function)
    await client.functions.create("f", file_id="3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await client.functions.create("f", folder="f", colour="red")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    assert_type(await client.functions.wait_until_ready("f", timeout=60), aiocdf.Function)
    assert_type(await client.functions.package("f"), aiocdf.CodePackage)
    assert_type(await client.functions.retrieve_many([1, "f", await made]), aiocdf.ItemList[aiocdf.Function])
    assert_type(client.functions.list(status="Ready", limit=5), aiocdf.Listing[aiocdf.Function])
    await client.functions.delete(["f", 3])
    await client.functions.delete(await made, ignore_unknown=True)
    assert_type(await client.functions.limits(), aiocdf.FunctionLimits)
    assert_type(await client.functions.status(), aiocdf.FunctionsStatus)
    file = await client.files.upload("f.zip", b"", external_id="f", overwrite=True)
    assert_type(file, aiocdf.File)
    assert_type(await client.files.download(file), bytes)
    assert_type(await client.files.download_link("f"), aiocdf.Secret)
    async for each in client.files.list(uploaded=True):
        assert_type(each, aiocdf.File)


async def requests(client: aiocdf.Client) -> None:
    """Lists are read item by item or at once; what is requested one by one has its type."""
    listing = client.calls.list("double", status="Failed", limit=10)
    assert_type(listing, aiocdf.Listing[aiocdf.FunctionCall])
    assert_type(await listing, aiocdf.ItemList[aiocdf.FunctionCall])
    async for call in listing:
        assert_type(call, aiocdf.FunctionCall)
    assert_type(await client.calls.retrieve(1, 2), aiocdf.FunctionCall)
    assert_type(await client.calls.retrieve_many("double", [2, 3]), aiocdf.ItemList[aiocdf.FunctionCall])
    assert_type(await client.calls.response("double", 2), Any)
    assert_type(await client.calls.response("double", 2, Reading), Reading)
    async for line in client.calls.logs("double", 2, follow=True):
        assert_type(line, aiocdf.LogEntry)
    schedule = await client.schedules.create("nightly", "0 3 * * *", function="double", data=Reading(value=2))
    assert_type(schedule, aiocdf.FunctionSchedule)
    assert_type(await client.schedules.list(function="double"), aiocdf.ItemList[aiocdf.FunctionSchedule])
    assert_type(client.schedules.next_runs(schedule), aiocdf.ItemList[datetime])
    assert_type(await client.sessions.create(grant="token_exchange"), aiocdf.Session)
    assert_type(await client.sessions.list(status="ACTIVE"), aiocdf.ItemList[aiocdf.Session])


async def lifetimes() -> None:
    """Clients come from the environment, from credentials or from a local server."""
    async with aiocdf.Client.from_env() as client:
        assert_type(client, aiocdf.Client)
        assert_type(client.stats(), aiocdf.Stats)
    aiocdf.Client("project", credentials=aiocdf.BearerToken("token"), base_url="https://api.cognitedata.com")
    async with local.serve("functions", port=0) as server, server.client() as client:
        assert_type(client.attach(1, 2), aiocdf.CallHandle)


def failures(error: aiocdf.CallError) -> None:
    """A failed call brings what is known of it."""
    assert_type(error.call, aiocdf.FunctionCall | None)
    assert_type(error.ref, aiocdf.CallRef | None)

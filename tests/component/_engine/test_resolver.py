"""Ids of functions for single requests."""

from __future__ import annotations

import pytest

from aiocdf import NotFound, ServerError

pytestmark = pytest.mark.looptime


async def test_looked_up_once(client, service) -> None:
    """A look-up serves calls and later requests; an id needs none."""
    await client.call("double")
    assert await client.calls.list("double") == await client.calls.list(1)

    assert service.count("lookup") == 1


async def test_deployed_anew(client, service) -> None:
    """A request with an id that the service no longer knows is sent again with the new one."""
    assert await client.calls.list("double") == []
    service.functions["double"] = 3
    call = service.start(3)
    service.fault("retrieve", service.error(404, "unknown function"))

    assert (await client.calls.retrieve("double", call.id)).function_id == 3
    assert service.count("lookup") == 2


async def test_unknown(client, service) -> None:
    """A function that does not exist raises, each time that it is requested."""
    for _ in range(2):
        with pytest.raises(NotFound):
            await client.calls.list("nowhere")

    assert service.count("lookup") == 2


async def test_trouble(client, service) -> None:
    """Trouble is retried as that of other requests, and not waited out as that of calls."""
    service.fault("lookup", service.error(503, "later"))
    assert await client.calls.list("double") == []

    service.always("lookup", service.error(503, "later"))
    with pytest.raises(ServerError):
        await client.calls.list("other")

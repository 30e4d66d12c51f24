from __future__ import annotations

import json

from aiocdf import BearerToken


async def test_where_the_token_goes(service) -> None:
    """Statements 23 and 26: all that a call and its answers take goes to the service's address, the token in the header only."""
    async with service.client(credentials=BearerToken("s3cr3t")) as client:
        call = client.call("double", {"value": 2})
        await call.response()
        assert [entry async for entry in call.logs()]
        await client.functions.limits()

    assert {seen.kind for seen in service.seen} == {"lookup", "limits", "session", "start", "poll", "response", "logs"}
    for seen in service.seen:
        assert seen.url.startswith("https://cdf.test/api/v1/projects/acme/")
        assert [name for name, value in seen.headers.items() if "s3cr3t" in value] == ["authorization"]
        assert "s3cr3t" not in seen.url + json.dumps(seen.body)

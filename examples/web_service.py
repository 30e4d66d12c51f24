"""A web service that starts functions and tells what came of them, with one client for as long as it lives.

In one shell:      aiocdf serve examples/functions
In another, after setting the environment variables that it prints:

    python examples/web_service.py --port 8080
    curl -X POST localhost:8080/run/double -d '{"x": 2}'        # waits: {"value": 4}
    curl -X POST localhost:8080/calls/double -d '{"x": 2}'      # 202, at once: {"ref": "..."}
    curl localhost:8080/calls/THE-REF                           # {"status": "Completed", "value": {"value": 4}}

Ctrl-C or SIGTERM ends it gracefully. A ref outlives it: ask the next instance. `--self-test` asks itself and exits.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import AsyncIterator

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.typedefs import Handler

import aiocdf

CLIENT = web.AppKey("client", aiocdf.Client)
RUN_SECONDS = 30.0
POLL_SECONDS = 2.0
routes = web.RouteTableDef()


@routes.post("/calls/{function}")
async def start_call(request: web.Request) -> web.Response:
    """Start a call and answer as soon as the service has accepted it."""
    handle = request.app[CLIENT].call(request.match_info["function"], data=await request.json())
    await handle.submitted()
    ref = handle.ref
    handle.detach()
    return web.json_response({"ref": ref.token}, status=202)


@routes.get("/calls/{ref}")
async def show_call(request: web.Request) -> web.Response:
    """Answer with the value if the call has ended or does within `POLL_SECONDS`."""
    handle = request.app[CLIENT].attach(request.match_info["ref"])
    try:
        async with asyncio.timeout(POLL_SECONDS):
            return web.json_response({"status": "Completed", "value": await handle.response()})
    except TimeoutError:
        status = handle.status  # Running, or Unknown as long as the service has not told of it
        handle.detach()
        return web.json_response({"status": status})
    except (aiocdf.CallFailed, aiocdf.CallTimedOut) as error:
        return web.json_response({"status": "Failed", "error": str(error)})


@routes.post("/run/{function}")
async def run(request: web.Request) -> web.Response:
    """Answer with the value, or after `RUN_SECONDS` with 504 and the ref of the call, which runs on."""
    handle = request.app[CLIENT].call(request.match_info["function"], data=await request.json(), timeout=RUN_SECONDS)
    return web.json_response(await handle.response())


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer what goes wrong with a call with the status that fits; anything else is a 500."""
    try:
        return await handler(request)
    except aiocdf.WaitExpired as error:
        ref = error.ref.token if error.ref else None
        return web.json_response({"error": str(error), "ref": ref}, status=504)
    except (aiocdf.UsageError, aiocdf.BadRequest, json.JSONDecodeError, UnicodeDecodeError) as error:
        return web.json_response({"error": str(error)}, status=400)
    except aiocdf.NotFound as error:
        return web.json_response({"error": str(error)}, status=404)
    except aiocdf.AiocdfError as error:
        return web.json_response({"error": str(error)}, status=502)


async def client_context(app: web.Application) -> AsyncIterator[None]:
    """Open the client when the service starts, and close it when the service ends."""
    async with aiocdf.Client.from_env() as client:
        app[CLIENT] = client
        yield


def make_app() -> web.Application:
    """Put the service together."""
    app = web.Application(middlewares=[errors])
    app.add_routes(routes)
    app.cleanup_ctx.append(client_context)
    return app


async def self_test() -> None:
    """Ask a service of our own, over HTTP, what it promises above."""
    async with aiocdf.Client.from_env(settings=aiocdf.Settings(retrying=aiocdf.Retrying(attempts=1))) as client:
        await client.functions.retrieve("double")  # without the server, this says so at once
    server = TestServer(make_app())
    async with server, TestClient(server) as http:
        value = await (await http.post("/run/double", json={"x": 2})).json()
        started = await http.post("/calls/double", json={"x": 2})
        ref = (await started.json())["ref"]
        while (answer := await (await http.get(f"/calls/{ref}")).json())["status"] == "Running":
            pass  # the service itself waits before it says so
        unknown = await http.post("/run/no_such_function", json={})
    seen = (value, started.status, answer, unknown.status)
    if seen != ({"value": 4}, 202, {"status": "Completed", "value": {"value": 4}}, 404):
        sys.exit(f"self-test failed: {seen}")
    print("self-test passed")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Start functions over HTTP.")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--self-test", action="store_true", help="serve, ask itself once, exit")
    arguments = parser.parse_args()
    try:
        if arguments.self_test:
            asyncio.run(self_test())
        else:
            web.run_app(make_app(), host="127.0.0.1", port=arguments.port)
    except aiocdf.AiocdfError as error:
        sys.exit(f"stopped: {error}")

"""A web service that starts functions and returns their results, with one client for its whole lifetime.

In one shell:      aiocdf serve examples/functions
In another, after setting the environment variables that it prints:

    python examples/web_service.py --port 8080
    curl -X POST localhost:8080/run/double -d '{"x": 2}'        # waits: {"value": 4}
    curl -X POST localhost:8080/calls/double -d '{"x": 2}'      # 202, at once: {"ref": "..."}
    curl localhost:8080/calls/THE-REF                           # {"status": "Completed", "value": {"value": 4}}

Ctrl-C or SIGTERM stops it gracefully. A ref stays valid: the next instance accepts it. `--self-test` tests the service
and exits.
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
    """Start a call, and answer as soon as the service has accepted it."""
    handle = request.app[CLIENT].call(request.match_info["function"], data=await request.json())
    await handle.submitted()
    ref = handle.ref
    handle.detach()
    return web.json_response({"ref": ref.token}, status=202)


@routes.get("/calls/{ref}")
async def show_call(request: web.Request) -> web.Response:
    """Answer with the value if the call has ended, or ends within `POLL_SECONDS`."""
    handle = request.app[CLIENT].attach(request.match_info["ref"])
    try:
        async with asyncio.timeout(POLL_SECONDS):
            return web.json_response({"status": "Completed", "value": await handle.response()})
    except TimeoutError:
        status = handle.status  # Running, or Unknown before the first poll
        handle.detach()
        return web.json_response({"status": status})
    except (aiocdf.CallFailed, aiocdf.CallTimedOut) as error:
        return web.json_response({"status": "Failed", "error": str(error)})


@routes.post("/run/{function}")
async def run(request: web.Request) -> web.Response:
    """Answer with the value, or after `RUN_SECONDS` with 504 and the ref of the call, which continues."""
    handle = request.app[CLIENT].call(request.match_info["function"], data=await request.json(), timeout=RUN_SECONDS)
    return web.json_response(await handle.response())


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer an error of a call with the matching HTTP status; other errors become a 500."""
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
    """Return the web application."""
    app = web.Application(middlewares=[errors])
    app.add_routes(routes)
    app.cleanup_ctx.append(client_context)
    return app


async def self_test() -> None:
    """Start this service, and check over HTTP what its docstring promises."""
    async with aiocdf.Client.from_env(settings=aiocdf.Settings(retrying=aiocdf.Retrying(attempts=1))) as client:
        await client.functions.retrieve("double")  # fails at once if the server does not run
    server = TestServer(make_app())
    async with server, TestClient(server) as http:
        value = await (await http.post("/run/double", json={"x": 2})).json()
        started = await http.post("/calls/double", json={"x": 2})
        ref = (await started.json())["ref"]
        while (answer := await (await http.get(f"/calls/{ref}")).json())["status"] == "Running":
            pass  # the answer is 504 only after RUN_SECONDS
        unknown = await http.post("/run/no_such_function", json={})
    seen = (value, started.status, answer, unknown.status)
    if seen != ({"value": 4}, 202, {"status": "Completed", "value": {"value": 4}}, 404):
        sys.exit(f"self-test failed: {seen}")
    print("self-test passed")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Start functions over HTTP.")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--self-test", action="store_true", help="start, send requests to itself, and exit")
    arguments = parser.parse_args()
    try:
        if arguments.self_test:
            asyncio.run(self_test())
        else:
            web.run_app(make_app(), host="127.0.0.1", port=arguments.port)
    except aiocdf.AiocdfError as error:
        sys.exit(f"stopped: {error}")

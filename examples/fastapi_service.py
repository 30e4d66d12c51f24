"""A FastAPI service that starts functions and tells what came of them, with one client for as long as it lives.

In one shell:      aiocdf serve examples/functions
In another, after setting the environment variables that it prints:

    pip install fastapi uvicorn
    uvicorn --app-dir examples fastapi_service:app --port 8080
    curl -X POST localhost:8080/run/double -H 'content-type: application/json' -d '{"x": 2}'     # {"value": 4}

http://localhost:8080/docs shows all that it can do.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse

import aiocdf

RUN_SECONDS = 30.0
POLL_SECONDS = 2.0
STATUSES = {aiocdf.NotFound: 404, aiocdf.BadRequest: 400, aiocdf.UsageError: 400, aiocdf.WaitExpired: 504}


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open the client when the service starts, and close it when the service ends."""
    async with aiocdf.Client.from_env() as client:
        app.state.client = client
        yield


def client_of(request: Request) -> aiocdf.Client:
    """Return the service's client."""
    client: aiocdf.Client = request.app.state.client
    return client


Client = Annotated[aiocdf.Client, Depends(client_of)]
app = FastAPI(title="Functions", lifespan=lifespan)


@app.exception_handler(aiocdf.AiocdfError)
async def on_error(_: Request, error: Exception) -> JSONResponse:
    """Answer what goes wrong with a call with the status that fits, and 502 for the rest."""
    status = next((status for kind, status in STATUSES.items() if isinstance(error, kind)), 502)
    return JSONResponse({"error": str(error)}, status)


@app.post("/run/{function}")
async def run(function: str, data: dict[str, Any], client: Client) -> Any:
    """Answer with what the function returns. Where the caller hangs up, the call goes on."""
    return await client.call(function, data, timeout=RUN_SECONDS).response()


@app.post("/calls/{function}", status_code=202)
async def start_call(function: str, data: dict[str, Any], client: Client) -> dict[str, str]:
    """Start a call and answer as soon as the service has accepted it."""
    handle = client.call(function, data)
    await handle.submitted()
    ref = handle.ref
    handle.detach()
    return {"ref": ref.token}


@app.get("/calls/{ref}")
async def show_call(ref: str, client: Client) -> dict[str, Any]:
    """Answer with the value if the call has ended or does within `POLL_SECONDS`."""
    handle = client.attach(ref)
    try:
        async with asyncio.timeout(POLL_SECONDS):
            return {"status": "Completed", "value": await handle.response()}
    except TimeoutError:
        status = handle.status
        handle.detach()
        return {"status": status}
    except (aiocdf.CallFailed, aiocdf.CallTimedOut) as error:
        return {"status": "Failed", "error": str(error)}

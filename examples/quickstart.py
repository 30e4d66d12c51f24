"""Call one function, then many, then one that fails.

In one shell:      aiocdf serve examples/functions
In another, after setting the environment variables that it prints:

    python examples/quickstart.py
"""

from __future__ import annotations

import asyncio
import sys

import aiocdf


async def main() -> None:
    """Show the four things that most programs need."""
    async with aiocdf.Client.from_env() as client:
        # By external id or by id. A call starts at once. Awaiting it waits for its end; `response()` also reads its value.
        call = await client.call(1, data={"x": 2})
        print(f"call {call.id} of function {call.function_id}: {call.status}, took {call.runtime} s")
        print("double of 2:", await client.call("double", data={"x": 2}).response())

        # Calls are futures: they run concurrently, and asyncio's functions, such as gather, accept them.
        values = await asyncio.gather(*(client.call("double", data={"x": x}).response() for x in range(20)))
        print("doubles:", [value["value"] for value in values])

        # The log of a call can be read while it runs.
        readings = {"TT-101": [21.5, 22.0], "TT-102": [19.0]}
        report = client.call("signed_report", data={"readings": readings, "pause": 0.5})
        async for line in report.logs(follow=True):
            print("log:", line.message)
        print("signature:", (await report.response())["signature"])

        # If the function raises an error, this raises CallFailed.
        try:
            await client.call("broken_calibration")
        except aiocdf.CallFailed as error:
            print("failed:", error)


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        sys.exit("stopped; calls that have started continue on the service")
    except aiocdf.AiocdfError as error:
        sys.exit(f"stopped: {error}")

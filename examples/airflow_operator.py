"""An Airflow operator that calls a function, and takes no worker while the call runs.

Put this file where Airflow finds it, such as its `plugins` folder, and write in a DAG:

    score = CogniteFunctionOperator(task_id="score", function="score", data={"asset": 5})

The operator starts the call on a worker and defers to a trigger. Triggers are coroutines: Airflow's triggerer runs
thousands of them on one event loop. The call's reference is all that passes between the two, so a triggerer that is
restarted finds the call again, and does not start it twice. Both read the environment, as `Client.from_env` does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowException
from airflow.triggers.base import BaseTrigger, TriggerEvent

import aiocdf


class CogniteFunctionTrigger(BaseTrigger):
    """Waits for the end of a call.

    Args:
        ref: The `token` of the call's `CallRef`.
    """

    def __init__(self, ref: str) -> None:
        super().__init__()
        self.ref = ref

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what Airflow stores, to make the trigger again in another process."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {"ref": self.ref}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Give one event when the call has ended."""
        async with aiocdf.Client.from_env() as client:
            handle = client.attach(self.ref)
            try:
                yield TriggerEvent({"value": await handle.response()})
            except aiocdf.AiocdfError as error:
                yield TriggerEvent({"error": str(error)})


class CogniteFunctionOperator(BaseOperator):
    """Calls a function, and returns what it returned.

    Args:
        function: An id or an external id.
        data: What `handle()` gets as its `data`.
    """

    template_fields = ("function", "data")

    def __init__(self, *, function: int | str, data: dict[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.function = function
        self.data = data

    def execute(self, context: Mapping[str, Any]) -> None:  # noqa: ARG002 - Airflow calls it so
        """Start the call, and wait for it in a trigger."""
        self.defer(trigger=CogniteFunctionTrigger(asyncio.run(self._start())), method_name="execute_complete")

    def execute_complete(self, context: Mapping[str, Any], event: dict[str, Any]) -> Any:  # noqa: ARG002
        """Take what the trigger found."""
        if "error" in event:
            raise AirflowException(event["error"])
        return event["value"]

    async def _start(self) -> str:
        async with aiocdf.Client.from_env() as client:
            handle = client.call(self.function, self.data)
            await handle.submitted()
            ref = handle.ref
            handle.detach()
            return ref.token

"""The example of an operator, with the real Airflow."""

from __future__ import annotations

import asyncio
import importlib

import pytest
from airflow.sdk.exceptions import AirflowException, TaskDeferred
from airflow_operator import CogniteFunctionOperator


def defer(operator):
    """Execute an operator until it defers, as a worker does; return where it goes on, and what Airflow stores."""
    with pytest.raises(TaskDeferred) as deferred:
        operator.execute({})
    return deferred.value.method_name, deferred.value.trigger.serialize()


async def event_of(path, arguments):
    """Make a trigger from what was stored, as the triggerer does, and run it."""
    module, _, name = path.rpartition(".")
    trigger = getattr(importlib.import_module(module), name)(**arguments)
    return (await anext(trigger.run())).payload


def test_value(cdf_environment):
    """The operator starts the call, the trigger waits for it, and the operator returns the function's value."""
    operator = CogniteFunctionOperator(task_id="double", function="double", data={"x": 2})
    method, stored = defer(operator)
    event = asyncio.run(event_of(*stored))
    assert getattr(operator, method)({}, event) == {"value": 4}


def test_failure(cdf_environment):
    """A call that fails, fails the task."""
    operator = CogniteFunctionOperator(
        task_id="fails", function="broken_calibration", data={"currents": {"TT-104": 2.0}}
    )
    method, stored = defer(operator)
    event = asyncio.run(event_of(*stored))
    with pytest.raises(AirflowException):
        getattr(operator, method)({}, event)


def test_the_loop_is_free(cdf_environment):
    """Several triggers wait on one loop at once, each for a call of its own."""
    stored = [defer(CogniteFunctionOperator(task_id=f"t{x}", function="double", data={"x": x}))[1] for x in range(3)]

    async def run_all():
        return await asyncio.gather(*(event_of(*each) for each in stored))

    assert asyncio.run(run_all()) == [{"value": {"value": 2 * x}} for x in range(3)]

"""The OpenTelemetry observer, with the real SDK and its exporters in memory."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import suppress

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from aiocdf import AiocdfError, ConnectError
from aiocdf.telemetry.opentelemetry import OpenTelemetry

pytestmark = pytest.mark.looptime


class Collector:
    """An observer, and what OpenTelemetry made of what it saw."""

    def __init__(self):
        self._exporter, self._reader = InMemorySpanExporter(), InMemoryMetricReader()
        self.tracers = TracerProvider(shutdown_on_exit=False)
        self.tracers.add_span_processor(SimpleSpanProcessor(self._exporter))
        self._meters = MeterProvider([self._reader], shutdown_on_exit=False)
        self.observer = OpenTelemetry(tracer_provider=self.tracers, meter_provider=self._meters)

    def spans(self):
        return self._exporter.get_finished_spans()

    def points(self, name):
        """Return the points of a metric by the last of their attributes, or by "" without any."""
        data = self._reader.get_metrics_data()
        found = [
            point
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]
        return {["", *point.attributes.values()][-1]: point for point in found}

    def close(self):
        self.tracers.shutdown()
        self._meters.shutdown()


@pytest.fixture
def collector():
    collector = Collector()
    yield collector
    collector.close()


async def test_the_span_of_a_call(service, collector):
    """A call's span is a child of its caller's, with ids, and an event for each step on the way."""
    tracer = collector.tracers.get_tracer("caller")
    async with service.client(observers=[collector.observer]) as client:
        with tracer.start_as_current_span("caller"):
            handle = client.call("double", data={"seconds": 3})
        call = await handle

    caller, span = collector.spans()
    assert (span.name, span.kind, span.parent.span_id) == ("double", SpanKind.CLIENT, caller.context.span_id)
    assert span.attributes == {
        "faas.invoked_name": "double",
        "aiocdf.function_id": 1,
        "aiocdf.call_id": call.id,
        "aiocdf.outcome": "completed",
    }
    assert [event.name for event in span.events] == ["queued", "posted", "accepted", "first poll", "ended"]
    assert span.events[-1].attributes["aiocdf.status"] == "Completed"
    assert span.events[-1].attributes["aiocdf.runtime"] == 3.0
    assert span.status.status_code is StatusCode.UNSET


@pytest.mark.parametrize(
    ("function", "data", "ends"),
    [
        ("double", {"error": {"message": "no"}}, ("failed", "failed")),
        ("double", {"timeout": 1}, ("timed_out", "timed_out")),
        ("missing", {}, ("refused", "NotFound")),
    ],
)
async def test_the_span_of_a_call_that_goes_wrong(service, collector, function, data, ends):
    """The span of a call that fails, or cannot start, has an error status and says how it ended."""
    async with service.client(observers=[collector.observer]) as client:
        with suppress(AiocdfError):
            await client.call(function, data=data)

    (span,) = collector.spans()
    assert span.status.status_code is StatusCode.ERROR
    assert (span.attributes["aiocdf.outcome"], span.attributes["error.type"]) == ends


async def test_no_span_is_left_open(service, collector):
    """Calls that are cancelled, attached to, throttled or open as the client closes end their spans too."""
    service.fault("start", None, service.error(429, "too many running calls of this function"))
    other = service.start(seconds=5)
    async with service.client(observers=[collector.observer]) as client:
        withdrawn = client.call("double")
        withdrawn.cancel()
        await client.attach("double", other.id)
        await asyncio.gather(client.call(1), client.call(1))
        client.call(1, data={"seconds": 100})
        await asyncio.sleep(1)

    events = [[event.name for event in span.events] for span in collector.spans()]
    outcomes = sorted(span.attributes["aiocdf.outcome"] for span in collector.spans())
    assert outcomes == ["cancelled", "completed", "completed", "completed", "withdrawn"]
    assert ["attached", "first poll", "ended"] in events
    assert sum("throttled" in names for names in events) == 1


async def test_metrics(service, collector):
    """The metrics say how many calls stand where and ended how, how late ends were seen, and of each 429."""
    service.function_limit = 2
    async with service.client(observers=[collector.observer], function_limit=2) as client:
        service.fault("start", service.error(429, "too many running calls of this function"))
        await client.call("double", data={"seconds": 1})
        handles = [client.call("double", data={"seconds": 10}) for _ in range(3)]
        await asyncio.sleep(5)
        states = {state: point.value for state, point in collector.points("aiocdf.calls").items()}
        await asyncio.gather(*handles)

    assert {state: count for state, count in states.items() if count} == {"waiting": 1, "running": 2}
    assert {point.value for point in collector.points("aiocdf.calls").values()} == {0}
    assert collector.points("aiocdf.calls.ended")["completed"].value == 4
    assert collector.points("aiocdf.requests.throttled")[""].value == 1
    for name, most in {"aiocdf.call.lag": 5, "aiocdf.call.runtime": 31, "aiocdf.call.wait": 60}.items():
        point = collector.points(name)[""]
        assert (point.count, 0 <= point.sum <= most) == (4, True)


async def test_breakers(service, collector):
    """The metric of pauses counts the breakers that are open."""
    service.always("session", ConnectError("no route"))
    async with service.client(observers=[collector.observer], connect_patience=100.0) as client:
        handle = client.call("double")
        await asyncio.sleep(20)
        assert collector.points("aiocdf.paused")["submissions"].value == 1
        service.always("session", None)
        await handle
    assert collector.points("aiocdf.paused")["submissions"].value == 0


def test_without_the_package():
    """Without the extra, importing it says what to install."""
    script = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "import aiocdf\n"
        "try: import aiocdf.telemetry.opentelemetry\n"
        "except aiocdf.ConfigError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "aiocdf[otel]" in done.stdout

"""An observer that makes OpenTelemetry spans and metrics of a client's calls; needs the extra `otel`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiocdf.errors import ConfigError
from aiocdf.telemetry.events import (
    CallAccepted,
    CallAttached,
    CallEnded,
    CallMoved,
    CallPosted,
    CallQueued,
    CallsPaused,
    CallsPolled,
    CallsResumed,
    CallsThrottled,
    RequestDone,
)

try:
    from opentelemetry import metrics, trace
    from opentelemetry.trace import SpanKind, Status, StatusCode
except ImportError:
    raise ConfigError("OpenTelemetry needs one more package: pip install 'aiocdf[otel]'") from None

if TYPE_CHECKING:
    from opentelemetry.metrics import Meter, MeterProvider
    from opentelemetry.trace import Span, Tracer, TracerProvider

    from aiocdf.telemetry.events import Event

__all__ = ["OpenTelemetry"]

_NO_ERRORS = {"completed", "cancelled", "withdrawn", "merged"}
_TOO_MANY_REQUESTS = 429


class OpenTelemetry:
    """Makes a span of each call, and metrics of all; for the `observers` of one client.

    A span begins with `client.call` or `client.attach`, below the span that is current there, and ends with the call. It
    cannot be continued in the function: the service passes no trace context on.

    Args:
        tracer_provider: Where spans go; None for the global provider.
        meter_provider: Where metrics go; None for the global provider.
    """

    def __init__(
        self, *, tracer_provider: TracerProvider | None = None, meter_provider: MeterProvider | None = None
    ) -> None:
        self._spans = _Spans(trace.get_tracer("aiocdf", tracer_provider=tracer_provider))
        self._metrics = _Metrics(metrics.get_meter("aiocdf", meter_provider=meter_provider))

    def __call__(self, event: Event) -> None:
        """Take in an event."""
        self._metrics.take(event)
        self._spans.take(event)


class _Spans:
    """A span for each call that has not ended."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._open: dict[int, Span] = {}
        #: Numbers of calls that no poll has asked for, by their ids.
        self._unpolled: dict[int, int] = {}

    def take(self, event: Event) -> None:
        match event:
            case CallQueued() | CallAttached():
                self._begin(event)
            case CallsPolled(call_ids=ids):
                if self._unpolled:
                    self._polled(ids)
            case CallMoved() if event.ended:
                self._end(event)
            case CallPosted() | CallAccepted() | CallsThrottled() | CallEnded():
                span = self._open.get(event.number)
                if span is not None:
                    self._note(span, event)

    def _begin(self, event: CallQueued | CallAttached) -> None:
        function = str(event.function)
        span = self._tracer.start_span(function, kind=SpanKind.CLIENT, attributes={"faas.invoked_name": function})
        self._open[event.number] = span
        if isinstance(event, CallAttached):
            span.set_attribute("aiocdf.call_id", event.call_id)
            self._unpolled[event.call_id] = event.number
        span.add_event("attached" if isinstance(event, CallAttached) else "queued")

    def _note(self, span: Span, event: CallPosted | CallAccepted | CallsThrottled | CallEnded) -> None:
        match event:
            case CallPosted():
                span.add_event("posted")
            case CallsThrottled(cause=cause):
                span.add_event("throttled", {"aiocdf.cause": cause})
            case CallAccepted(function_id=function_id, call_id=call_id):
                span.set_attributes({"aiocdf.function_id": function_id, "aiocdf.call_id": call_id})
                span.add_event("accepted")
                self._unpolled[call_id] = event.number
            case CallEnded(runtime=runtime, lag=lag):
                self._unpolled.pop(event.call_id, None)
                seconds = {"aiocdf.runtime": runtime, "aiocdf.lag": lag}
                span.add_event("ended", {"aiocdf.status": event.status, **_known(seconds)})

    def _polled(self, call_ids: tuple[int, ...]) -> None:
        for call_id in self._unpolled.keys() & set(call_ids):
            span = self._open.get(self._unpolled.pop(call_id))
            if span is not None:
                span.add_event("first poll")

    def _end(self, event: CallMoved) -> None:
        span = self._open.pop(event.number, None)
        if span is None:
            return
        span.set_attribute("aiocdf.outcome", event.now)
        if event.now not in _NO_ERRORS:
            span.set_attribute("error.type", event.now if event.error is None else type(event.error).__name__)
            span.set_status(Status(StatusCode.ERROR, None if event.error is None else str(event.error)))
        span.end()


def _known(values: dict[str, float | None]) -> dict[str, float]:
    return {name: value for name, value in values.items() if value is not None}


class _Metrics:
    """The instruments of one client."""

    def __init__(self, meter: Meter) -> None:
        self._calls = meter.create_up_down_counter("aiocdf.calls", "{call}", "Calls that have not ended, by state")
        self._ends = meter.create_counter("aiocdf.calls.ended", "{call}", "Calls that ended, by outcome")
        self._wait = meter.create_histogram("aiocdf.call.wait", "s", "From client.call to the service's acceptance")
        self._runtime = meter.create_histogram("aiocdf.call.runtime", "s", "From start to end, by the service's clock")
        self._lag = meter.create_histogram("aiocdf.call.lag", "s", "From the end at the service to our seeing it")
        self._throttled = meter.create_counter("aiocdf.requests.throttled", "{request}", "Answers with status 429")
        self._paused = meter.create_up_down_counter("aiocdf.paused", "{breaker}", "Circuit breakers that are open")

    def take(self, event: Event) -> None:
        match event:
            case CallQueued(function=function):
                self._calls.add(1, _labels(function, "waiting"))
            case CallAttached(function=function):
                self._calls.add(1, _labels(function, "running"))
            case CallMoved():
                self._moved(event)
            case CallAccepted(waited=waited):
                self._wait.record(waited)
            case CallEnded():
                self._ended(event)
            case RequestDone(status=status) if status == _TOO_MANY_REQUESTS:
                self._throttled.add(1)
            case CallsPaused(what=what) | CallsResumed(what=what):
                self._paused.add(1 if isinstance(event, CallsPaused) else -1, {"aiocdf.what": what})

    def _moved(self, event: CallMoved) -> None:
        self._calls.add(-1, _labels(event.function, event.before))
        if event.ended:
            self._ends.add(1, {"faas.invoked_name": str(event.function), "aiocdf.outcome": event.now})
        else:
            self._calls.add(1, _labels(event.function, event.now))

    def _ended(self, event: CallEnded) -> None:
        if event.runtime is not None:
            self._runtime.record(event.runtime)
        if event.lag is not None:
            self._lag.record(event.lag)


def _labels(function: int | str, state: str) -> dict[str, str]:
    return {"faas.invoked_name": str(function), "aiocdf.state": state}

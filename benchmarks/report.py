"""The results of a run as text: a table for each workload, and the targets with the results."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    Figures = Mapping[str, Any]
    #: Figures by workload and contender; and the seconds that the import takes, by `import`.
    Results = Mapping[str, Any]


def _lag(part: float) -> str:
    """Show a lag as a fraction of the runtime. The service sees no lag of a client that reads only responses."""
    return "" if math.isnan(part) else f"{part:.1%}"


_LATENESS: Mapping[str, Callable[[Figures], str]] = {
    "makespan": lambda one: f"{one['makespan']:.2f} s",
    "/ideal": lambda one: f"{one['makespan'] / one['ideal']:.3f}",
    "requests/call": lambda one: f"{one['requests']:.2f}",
    "polls/call": lambda one: f"{one['polls']:.2f}",
    "lag/runtime": lambda one: _lag(one["lag_median"]),
    "p95": lambda one: _lag(one["lag_p95"]),
    "429s": lambda one: str(one["throttled"]),
    "wrong": lambda one: str(one["wrong"]),
}
_COLUMNS = {**_LATENESS, "CPU/call": lambda one: f"{1000 * one['cpu']:.2f} ms"}
# The gap "of its own" counts only time in which the process ran or blocked; the other one includes waits for a processor.
_GAPS: Mapping[str, Callable[[Figures], str]] = {
    "loop gap": lambda one: f"{1000 * one['clients'][0]['gap']:.1f} ms",
    "of its own": lambda one: f"{1000 * one['clients'][0]['gap_own']:.1f} ms",
    "at": lambda one: f"{one['clients'][0]['gap_at']:.1f} s",
}
_SERVICE: Mapping[str, Callable[[Figures], str]] = {
    "service CPU": lambda one: f"{one['service']['cpu'] / one['service']['seconds']:.0%}",
    "its lag p99": lambda one: f"{1000 * one['service']['lag_p99']:.1f} ms",
    "max": lambda one: f"{1000 * one['service']['lag_max']:.0f} ms",
}
_QUEUE: Mapping[str, Callable[[Figures], str]] = {
    "pending": lambda one: f"{one['clients'][0]['pending']:,}",
    "made in": lambda one: f"{one['makespan']:.2f} s",
    "bytes/call": lambda one: f"{one['clients'][0]['bytes']:,.0f}",
}
_OTHER_COLUMNS = {
    "queue": {**_QUEUE, **_GAPS, **_SERVICE},
    "frozen": {**_QUEUE, **_GAPS, **_SERVICE},
    "expiry": {**_LATENESS, "tokens": lambda one: str(one["tokens"]), **_GAPS, **_SERVICE},
}


@dataclass(frozen=True)
class Target:
    """A target; 0.05 in the format `{:.0%}` is 5 %."""

    what: str
    most: float
    form: str
    figure: Callable[[Results], float]

    def row(self, results: Results) -> list[str]:
        """Return the target, the result, and whether the target is met."""
        reached = self.figure(results)
        verdict = "OK" if reached <= self.most else "SHORT"
        return [self.what, self.form.format(self.most), self.form.format(reached), verdict]


def _ours(workload: str, name: str) -> Callable[[Results], float]:
    return lambda results: float(results[workload]["aiocdf"][name])


def _reported(workload: str, name: str) -> Callable[[Results], float]:
    return lambda results: float(results[workload]["aiocdf"]["clients"][0][name])


def _stretch(workload: str) -> Callable[[Results], float]:
    return lambda results: _ours(workload, "makespan")(results) / _ours(workload, "ideal")(results)


def _cpu_beside(*rows: str) -> Callable[[Results], float]:
    """Compare with the peer that has the lowest value."""
    return lambda results: (
        _ours("over", "cpu")(results) / min(float(one["cpu"]) for name, one in results["over"].items() if name in rows)
    )


TARGETS = (
    Target("over: makespan / ideal", 1.06, "{:.3f}", _stretch("over")),
    Target("over: requests per call", 3.45, "{:.3f}", _ours("over", "requests")),
    Target("many: requests per call", 4.5, "{:.3f}", _ours("many", "requests")),
    Target("within: requests per call", 3.7, "{:.3f}", _ours("within", "requests")),
    Target("within: lag / runtime, median", 0.05, "{:.1%}", _ours("within", "lag_median")),
    Target("within: lag / runtime, p95", 0.15, "{:.1%}", _ours("within", "lag_p95")),
    Target("long: lag / runtime, median", 0.03, "{:.1%}", _ours("long", "lag_median")),
    Target("long: lag / runtime, p95", 0.08, "{:.1%}", _ours("long", "lag_p95")),
    Target("long: polls per call", 2.5, "{:.2f}", _ours("long", "polls")),
    Target("single: wall / runtime on a fresh client", 1.13, "{:.3f}", _stretch("single")),
    Target("over: CPU per call beside the SDK's", 1 / 5, "{:.2f}", _cpu_beside("sdk", "sdk raised")),
    Target("over: CPU per call beside the hand-written loop's", 1 / 3, "{:.2f}", _cpu_beside("loop", "loop patient")),
    Target("over: 429s that a call POST meets", 0, "{:.0f}", _ours("over", "throttled")),
    Target("queue: bytes per pending call beyond its data", 2000, "{:.0f}", _reported("queue", "bytes")),
    Target("queue: longest loop gap of its own, in seconds", 0.020, "{:.4f}", _reported("queue", "gap_own")),
    Target("expiry: longest loop gap of its own, in seconds", 0.020, "{:.4f}", _reported("expiry", "gap_own")),
    Target("shared: combined makespan / ideal", 1.15, "{:.3f}", _stretch("shared")),
    Target("shared: calls without their answer", 0, "{:.0f}", _ours("shared", "wrong")),
    Target("import beyond aiohttp's, in seconds", 0.060, "{:.4f}", lambda results: results["import"]),
)


def table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Format rows in columns, the first one left-aligned."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *others in rows:
        cells = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        yield "  ".join([first.ljust(widths[0]), *cells])


def workload_table(name: str, contenders: Mapping[str, Figures]) -> Iterator[str]:
    """Return the lines about a workload."""
    columns = _OTHER_COLUMNS.get(name, {**_COLUMNS, **_SERVICE})
    yield from table(
        [
            [name, *columns],
            *([contender, *(show(one) for show in columns.values())] for contender, one in contenders.items()),
        ]
    )
    for contender, one in contenders.items():
        if one["wrong"]:
            yield f"{contender}, one of what went wrong: {one['clients'][0].get('example', 'a call was started twice')}"


def target_table(results: Results) -> Iterator[str]:
    """Return lines that compare the targets with the results, if they were measured."""
    rows = [["target", "at most", "reached", ""]]
    for target in TARGETS:
        with suppress(KeyError, ValueError):  # a workload or all of a peer's rows took no part
            rows.append(target.row(results))
    yield from table(rows)

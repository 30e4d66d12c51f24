"""The results as one Markdown table, and as JSON."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterator, Mapping

    from trouble.scenario import Check, Run


def _figure(value: float | None, form: str = ".1f") -> str:
    return "-" if value is None else f"{value:{form}}"


def _number(value: float) -> str:
    return f"{round(value, 2):g}"


def _errors(counted: Counter[str]) -> str:
    return ", ".join(f"{kind} {count}" for kind, count in counted.most_common())


def _ends(run: Run) -> str:
    """Return text about handles that did not complete, separately for those of failing functions."""
    sick = _errors(run.errors(well=False))
    return "; ".join(filter(None, [_errors(run.errors()), f"(of the sick: {sick})" if sick else ""])) or "0"


def _check(check: Check) -> str:
    """Return a figure and its target as text. A missed target is in bold."""
    if math.isinf(check.most):
        return f"{check.what} {_number(check.reached)}"
    shown = f"{check.what} {_number(check.reached)} ≤ {_number(check.most)}"
    return shown if check.holds else f"**{shown}**"


_COLUMNS: Mapping[str, Callable[[Run], str]] = {
    "calls": lambda run: f"{len(run.scenario.calls)}",
    "completed": lambda run: f"{run.completed}",
    "lost, failed, uncertain": _ends,
    "twice": lambda run: f"{run.twice}",
    "D, s": lambda run: _figure(run.scenario.lasts or None, ".0f"),
    "makespan, s": lambda run: _figure(run.makespan),
    "ideal, s": lambda run: _figure(run.scenario.ideal),
    "(makespan - D) / ideal": lambda run: _figure(run.stretch, ".2f"),
    "POSTs/s after 5 s": lambda run: _figure(run.posts),
    "polls/s": lambda run: _figure(run.polls),
    "429s": lambda run: f"{run.throttled}",
    "sessions/call": lambda run: _figure(run.sessions, ".2f"),
    "targets": lambda run: (
        "; ".join(_check(check) for check in run.checks if check.reached or not check.holds) or "all 0"
    ),
    "hold": lambda run: "yes" if all(check.holds for check in run.checks) else "**no**",
}


def markdown(runs: Mapping[str, Run]) -> Iterator[str]:
    """Yield the lines of the table, and the remarks."""
    yield f"| scenario | {' | '.join(_COLUMNS)} |"
    yield f"| --- |{' --- |' * len(_COLUMNS)}"
    for name, run in runs.items():
        yield f"| {name} | {' | '.join(show(run) for show in _COLUMNS.values())} |"
    yield "\nLeft out are targets that are met with a figure of 0, such as no call lost.\n"
    for name, run in runs.items():
        yield from (f"- {name}: {note}" for note in dict.fromkeys([*run.notes, *run.loop_errors[:1]]))


def plain(run: Run) -> dict[str, Any]:
    """Return a run's figures for JSON."""
    return {
        "calls": len(run.scenario.calls),
        "completed": run.completed,
        "errors": run.errors(),
        "errors of the sick": run.errors(well=False),
        "twice": run.twice,
        "trouble": run.scenario.lasts,
        "makespan": run.makespan,
        "ideal": run.scenario.ideal,
        "stretch": run.stretch,
        "posts": run.posts,
        "polls": run.polls,
        "throttled": run.throttled,
        "sessions": run.sessions,
        "checks": [_plain_check(check) for check in run.checks],
        "notes": list(dict.fromkeys([*run.notes, *run.loop_errors[:1]])),
    }


def _plain_check(check: Check) -> dict[str, Any]:
    """Return a figure and its target; JSON has no infinity."""
    reached, most = (value if math.isfinite(value) else None for value in (check.reached, check.most))
    return {"what": check.what, "reached": reached, "most": most, "holds": check.holds}

"""The targets of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulation import PER_FUNCTION, PER_PROJECT
from trouble.scenario import Check
from trouble.service import LATENCY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulation import Call
    from trouble.scenario import Run, Target

#: How many POSTs are in flight at once.
UNDER_WAY = 40
_UNCERTAIN = "SubmissionUncertain"


def safe(run: Run) -> Iterator[Check]:
    """No call is lost, fails or starts twice. A few whose POST was in flight may be uncertain."""
    errors = run.errors()
    yield Check("lost or failed", errors.total() - errors[_UNCERTAIN], 0)
    yield Check("uncertain", errors[_UNCERTAIN], UNDER_WAY)
    yield Check("uncertain without cause", len(_uncertain(run) - _unanswered(run)), 0)
    yield Check("started twice", run.twice, 0)
    yield Check("faults of aiocdf", len(run.loop_errors), 0)


def told_in_time(run: Run) -> Iterator[Check]:
    """Every call ends with a connection error after slightly more than 10 s."""
    away = run.errors()["ConnectError"] + run.errors()["AuthError"]
    yield Check("ended otherwise", len(run.scenario.calls) - away, 0)
    yield Check("too early by", max(0.0, 10.0 - run.makespan), 0.0)
    yield Check("makespan", run.makespan, 15.0)


def soon(run: Run) -> Iterator[Check]:
    """The trouble costs its own duration and little more."""
    yield Check("makespan", run.makespan, run.scenario.lasts + 1.1 * run.scenario.ideal + 5.0)


def still(run: Run) -> Iterator[Check]:
    """A service in trouble gets only one POST a second."""
    if run.posts is not None:
        yield Check("POSTs/s", run.posts, 1.0)


def calm(run: Run) -> Iterator[Check]:
    """It also gets few polls."""
    if run.polls is not None:
        yield Check("polls/s", run.polls, 5.0)


def near(most: float) -> Target:
    """Limit the makespan to a multiple of the ideal with the trouble."""

    def target(run: Run) -> Iterator[Check]:
        yield Check("makespan", run.makespan, most * (run.scenario.reach or run.scenario.ideal))

    return target


def thrifty(run: Run) -> Iterator[Check]:
    """Few requests are rejected, and few sessions are not used."""
    yield Check("429s/call", run.throttled / len(run.scenario.calls), 0.05)
    yield Check("sessions/call", run.sessions, 1.1)


def beside(run: Run) -> Iterator[Check]:
    """The calls of working functions take hardly longer than without the failing one."""
    assert run.beside is not None
    well = {function for function, _ in run.beside.scenario.calls}
    keys = [key for key, (function, _) in enumerate(run.scenario.calls) if function in well]
    last = max(run.ends[key].at if key in run.ends else run.scenario.limit for key in keys)
    run.notes.append(f"the well ones' last call ended after {last:.1f} s, alone after {run.beside.makespan:.1f} s")
    yield Check("times alone", last / run.beside.makespan, 1.3)


def full_again(run: Run) -> Iterator[Check]:
    """When the calls of other clients end, the project is soon full again."""
    assert run.scenario.hog is not None
    yield Check("full after, s", _full_at(run, run.scenario.hog.seconds) - run.scenario.hog.seconds, 5.0)


def after_pause(most: float) -> Target:
    """Ends are seen soon after the wait that the service requested with 429s.

    Args:
        most: The maximum delay in seconds; infinite to measure only.
    """

    def target(run: Run) -> Iterator[Check]:
        refused = [visit.at for visit in run.visits if visit.status == 429]
        run.notes.append(
            f"429s at {', '.join(f'{at:.1f}' for at in refused)} s; the last handle at {run.makespan:.1f} s"
        )
        yield Check("after the pause, s", run.makespan - max(refused, default=0.0) - run.scenario.lasts, most)

    return target


def given_up(run: Run) -> Iterator[Check]:
    """Calls of a deleted function end with NotFound after a few requests."""
    errors = run.errors()
    yield Check("requests after", sum(visit.at >= run.scenario.begin for visit in run.visits), 60)
    yield Check("other than NotFound", errors.total() - errors["NotFound"], 0)


def unsure(*kinds: str) -> Target:
    """A call that may have been started ends as uncertain.

    Args:
        kinds: The allowed outcomes of the handle.
    """

    def target(run: Run) -> Iterator[Check]:
        errors = [end.error for end in run.ends.values()]
        run.notes += [f"{type(error).__name__}: {error}" for error in errors]
        yield Check(f"other than {' or '.join(kinds)}", sum(type(error).__name__ not in kinds for error in errors), 0)
        yield Check("stuck", run.errors()["stuck"], 0)
        yield Check("says it never started", sum("never started" in str(error) for error in errors), 0)

    return target


def _uncertain(run: Run) -> set[int]:
    """Return the keys of the calls that ended as uncertain."""
    return {key for key, end in run.ends.items() if type(end.error).__name__ == _UNCERTAIN}


def _unanswered(run: Run) -> set[int | None]:
    """Return the keys of the calls with a POST whose answer did not show its outcome."""
    return {visit.key for visit in run.visits if visit.kind == "start" and (visit.status or 500) >= 500}


def _full_at(run: Run, since: float) -> float:
    """Return when as many calls ran as can run at once, from *since* on; infinity if that never happened.

    For the client, a call runs until the answer that reports its end. A slot is then used again after at least two one-way
    latencies, so if calls are short, this fraction of the slots is always free.
    """
    moments = sorted({call.start for call in run.started if call.start >= since})
    for moment in moments:
        running = sum(call.start <= moment < (call.seen or call.end) for call in run.started)
        seconds = run.scenario.calls[0][1]
        if running >= _runnable(run, moment) * seconds / (seconds + 2 * LATENCY):
            return moment
    return float("inf")


def _runnable(run: Run, moment: float) -> int:
    """Return how many calls can run at once."""
    ended = {call.key for call in run.started if _over(call, moment)}
    left: dict[int, int] = {}
    for key, (function, _) in enumerate(run.scenario.calls):
        if key not in ended:
            left[function] = left.get(function, 0) + 1
    return min(PER_PROJECT, sum(min(PER_FUNCTION, count) for count in left.values()))


def _over(call: Call, moment: float) -> bool:
    return (call.seen or call.end) <= moment

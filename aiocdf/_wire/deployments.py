"""Makes the exceptions of deployments that failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiocdf._wire.http import one_line
from aiocdf._wire.problems import note_trace
from aiocdf.errors import FunctionNotReady, ReplacementFailed, WaitExpired

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiocdf.errors import AiocdfError
    from aiocdf.models.functions import Function
    from aiocdf.models.kept_schedule import KeptSchedule

__all__ = ["cut_short", "failed", "late", "not_replaced", "which"]


def failed(key: int | str, function: Function) -> FunctionNotReady:
    """Return the error of a function whose deployment failed; the message ends with the last line of the build log."""
    message = function.error.message.rstrip(".") if function.error else f"it is {function.status}"
    log = (function.error and function.error.trace) or ""
    end = one_line((log.strip().splitlines() or [""])[-1])
    failure = FunctionNotReady(
        f"{which(key, function)} was not deployed: {message}{f': {end}' if end else ''}", status=200, detail=log
    )
    note_trace(failure, f"the deployment of {which(key, function)}", function.error)
    return failure


def late(key: int | str, function: Function, seconds: float) -> WaitExpired:
    """Return the error of a function that is not ready in time."""
    return WaitExpired(
        f"{which(key, function)} is still {function.status} after {seconds:.0f} s. Its deployment continues; wait again."
    )


def not_replaced(
    old: Function, new: Function | None, schedules: Sequence[KeptSchedule], error: AiocdfError
) -> ReplacementFailed:
    """Return the error of a function that was deleted, or may have been, without a complete replacement."""
    name = which(old.external_id or old.id, old)
    if new is None:
        done = f"{name} was deleted, or may have been, and the new function was not created"
        todo = "Check whether the old function exists, correct the cause, and create the function again"
    else:
        done = f"{name} was replaced by function {new.id}, but not all its schedules were created again"
        todo = "Wait until the function is Ready"
    left = ", ".join(repr(each.name) for each in schedules)
    rest = f"; then create its schedules again, which `schedules` of this error has: {left}" if left else ""
    why = str(error).rstrip(".")
    return ReplacementFailed(f"{done}: {why}. {todo}{rest}.", deleted=old, created=new, schedules=schedules)


def cut_short(old: Function, schedules: Sequence[KeptSchedule]) -> ReplacementFailed:
    """Return the error of a replacement that was cancelled when the function may have been deleted."""
    names = ", ".join(repr(each.name) for each in schedules) or "none"
    return ReplacementFailed(
        f"the replacement of {which(old.external_id or old.id, old)} was cancelled: the function may be deleted. "
        f"Schedules that may be missing: {names}.",
        deleted=old,
        created=None,
        schedules=schedules,
    )


def which(key: int | str, function: Function) -> str:
    """Return a function's name for messages: as the caller named it, and its id."""
    return f"function {key!r} (id {function.id})" if isinstance(key, str) else f"function {key}"

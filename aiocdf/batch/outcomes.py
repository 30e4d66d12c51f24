"""What the end of a call, or its error, means for its input and for the others."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aiocdf.batch.journal import Outcome
from aiocdf.batch.statuses import InputStatus
from aiocdf.errors import (
    BadRequest,
    CallError,
    CallFailed,
    CallTimedOut,
    Conflict,
    DecodeError,
    FunctionNotReady,
    NotFound,
    SubmissionUncertain,
    UsageError,
)
from aiocdf.models.calls import CallStatus

if TYPE_CHECKING:
    from aiocdf.errors import AiocdfError
    from aiocdf.models.calls import FunctionCall

__all__ = ["completed", "described", "not_completed", "not_read", "not_started"]

_STATUSES = {CallStatus.Failed: InputStatus.Failed, CallStatus.Timeout: InputStatus.Timeout}


def described(error: BaseException) -> dict[str, Any]:
    """Return an error as the results show it."""
    call = getattr(error, "call", None)
    trace = call.error.trace if call is not None and call.error is not None else None
    return {"type": type(error).__name__, "message": str(error), "trace": trace}


def not_started(error: AiocdfError) -> Outcome | None:
    """Return the outcome of an input that was not submitted; None if the error is not about this input alone."""
    match error:
        case SubmissionUncertain():
            return Outcome(status=InputStatus.Uncertain, error=described(error))
        case UsageError():
            return Outcome(status=InputStatus.Invalid, error=described(error))
        case BadRequest() | Conflict() if not isinstance(error, FunctionNotReady):
            return Outcome(status=InputStatus.Refused, error=described(error))
        case _:
            return None


def completed(call: FunctionCall, response: Any) -> Outcome:
    """Return the outcome of a call that completed and returned *response*."""
    # In ASCII: some programs take U+2028 for the end of a line.
    text = json.dumps(response, separators=(",", ":"))
    return Outcome(status=InputStatus.Completed, response=text, ended=_ended(call))


def not_completed(error: CallError) -> Outcome:
    """Return the outcome of a call that was accepted and did not complete, or whose end was not seen."""
    if error.call is None or not isinstance(error, CallFailed | CallTimedOut):
        return Outcome(status=InputStatus.Lost, error=described(error))
    status = _STATUSES.get(error.call.status, InputStatus.Failed)
    return Outcome(status=status, error=described(error), ended=_ended(error.call))


def not_read(call: FunctionCall, error: AiocdfError) -> Outcome | None:
    """Return the outcome of a call whose response was not readable; None if the error is not about it alone."""
    if not isinstance(error, BadRequest | NotFound | DecodeError):
        return None
    return Outcome(status=InputStatus.Lost, error=described(error), ended=_ended(call))


def _ended(call: FunctionCall) -> float | None:
    return None if call.end_time is None else call.end_time.timestamp()

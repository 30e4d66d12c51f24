"""Makes the exceptions of calls that did not start or whose end was not seen."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from aiocdf._wire.problems import note_trace
from aiocdf.errors import AiocdfError, CallLost, ClientClosed, FunctionNotReady, SubmissionUncertain, WaitExpired

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiocdf.errors import ApiError
    from aiocdf.models.call_ref import CallRef
    from aiocdf.models.calls import FunctionCall
    from aiocdf.models.functions import Function, FunctionError

__all__ = ["bug", "closed", "expired", "lost", "not_ready", "not_started", "uncertain", "waited_out"]


# The maximum number of candidates in a message.
_SHOWN = 5
# Characters of a line of a trace that a message shows.
_LINE_SHOWN = 300


def bug(error: BaseException) -> AiocdfError:
    """Return the error for an exception that is a bug of aiocdf."""
    failure = AiocdfError(f"a bug in aiocdf, please report it: {error!r}")
    failure.__cause__ = error
    return failure


def closed(which: str, why: str, prospect: str) -> ClientClosed:
    """Return the error of a call that the client's closing ends.

    Args:
        which: The call, as text.
        why: What closed the client.
        prospect: What happens to the call now.
    """
    return ClientClosed(f"{which}: {why}. {prospect}")


def expired(which: str, timeout: float, call: FunctionCall | None, ref: CallRef | None) -> WaitExpired:
    """Return the error of handles whose `timeout` has passed."""
    return WaitExpired(
        f"{which} is still running after timeout={timeout:g} s. It continues on the service; use "
        f"client.attach({str(ref)!r}) to follow it.",
        call=call,
        ref=ref,
    )


def lost(which: str, reason: str, *, known: bool, call: FunctionCall | None, ref: CallRef | None) -> CallLost:
    """Return the error of a call whose end will not be seen.

    Args:
        which: The call, and how long it was tracked, as text.
        reason: Why the client gave it up.
        known: Whether the service may still know the call.
        call: The call as the service last described it.
        ref: Its reference.
    """
    again = f" Use client.attach({str(ref)!r}) to follow it again." if known else ""
    return CallLost(f"{which}: {reason.rstrip('.')}.{again}", call=call, ref=ref)


def not_ready(name: str, function: Function, error: ApiError) -> FunctionNotReady:
    """Return the error of calls of a function that is not ready.

    Args:
        name: The function, as the caller named it.
        function: The function as the service describes it.
        error: The service's refusal of a call.
    """
    why = f": {_reason(function.error)}" if function.error else ""
    failure = FunctionNotReady(
        f"function {name} is {function.status}{why}. Only a Ready function can run calls.",
        status=error.status,
        code=error.code,
        detail=error.detail,
        request_id=error.request_id,
    )
    failure.__cause__ = error
    note_trace(failure, f"the deployment of function {name}", function.error)
    return failure


def _reason(error: FunctionError) -> str:
    """Return why a deployment failed, in one line: the message, and the ends of the traceback or build log below it.

    The local server begins a trace with the file, the line and the end of the traceback. What pip says ends with the
    reason.
    """
    lines = [line.strip()[:_LINE_SHOWN] for line in (error.trace or "").splitlines() if line.strip()]
    said = [error.message.rstrip(".")]
    if lines:
        said.append(lines[0] if lines[-1] in lines[0] else f"{lines[0]} ... {lines[-1]}")
    return ": ".join(said).rstrip(".")


def uncertain(
    which: str,
    attempts: int,
    error: AiocdfError,
    *,
    repeatable: bool,
    candidates: Sequence[FunctionCall] = (),
    why: str = "",
) -> SubmissionUncertain:
    """Return the error of a call that may have started.

    Args:
        which: The call, as text.
        attempts: How many POSTs were sent.
        error: The error of the POST that may have started it.
        repeatable: Whether the caller allowed it to run twice.
        candidates: Calls that may be this one.
        why: Why recovery did not find out.
    """
    sent = f"It was sent {attempts} times." if attempts > 1 else "It was not sent again because it could run twice."
    reason = f" Recovery did not find out: {why.rstrip('.')}." if why else ""
    if candidates:
        shown = ", ".join(str(call.id) for call in candidates[:_SHOWN]) + (", ..." if len(candidates) > _SHOWN else "")
        look = f"Check the possible calls ({shown}; all are in `candidates`) and attach to the right one"
    else:
        look = "Check the list of the function's calls"
    advice = "" if repeatable else ", or pass retry=True if the function may run twice"
    failure = SubmissionUncertain(
        f"{which} may or may not have started: {error} {sent}{reason} {look}{advice}.", candidates=candidates
    )
    failure.__cause__ = error
    return failure


def not_started(which: str, error: AiocdfError) -> AiocdfError:
    """Return the error of a call that did not start and is not sent again, of the type of *error*."""
    failure = copy.copy(error)
    failure.args = (f"{which} did not start: {error}",)
    failure.__cause__ = error
    return failure


def waited_out(what: str, seconds: float, error: AiocdfError) -> AiocdfError:
    """Return the error of an operation whose patience is over.

    Args:
        what: What did not happen, as text.
        seconds: How long it has waited.
        error: The trouble; the result has the same type.
    """
    failure = copy.copy(error)
    failure.args = (f"{what}: it waited {seconds:.0f} s for this to pass: {error}",)
    failure.__cause__ = error
    return failure

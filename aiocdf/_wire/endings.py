"""Why calls end without an end that was seen, as the exceptions that their handles raise."""

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


# Candidates that a message names.
_SHOWN = 5
# Characters of a line of a trace that a message shows.
_LINE_SHOWN = 300


def bug(error: BaseException) -> AiocdfError:
    """Return what stands for an exception that should never have been raised."""
    failure = AiocdfError(f"a bug in aiocdf, please report it: {error!r}")
    failure.__cause__ = error
    return failure


def closed(which: str, why: str, prospect: str) -> ClientClosed:
    """Return the error of a call that the client's closing ends.

    Args:
        which: The call in words.
        why: What closed the client.
        prospect: What becomes of the call now.
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
        which: The call in words, and for how long it was followed.
        reason: Why it is given up.
        known: The service may still know the call.
        call: The last that the service said of it.
        ref: Where to find it again.
    """
    again = f" Use client.attach({str(ref)!r}) to follow it again." if known else ""
    return CallLost(f"{which}: {reason.rstrip('.')}.{again}", call=call, ref=ref)


def not_ready(name: str, function: Function, error: ApiError) -> FunctionNotReady:
    """Return the error of calls of a function that cannot be called now.

    Args:
        name: What the callers called the function.
        function: What the service says of it.
        error: The service's refusal of a call.
    """
    why = f": {_reason(function.error)}" if function.error else ""
    failure = FunctionNotReady(
        f"function {name} cannot be called: the function is {function.status}{why}. Only a Ready function can be called.",
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

    The local server begins a trace with the file, the line and the end of the traceback. What pip says ends with the reason.
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
        which: The call in words.
        attempts: POSTs that were sent.
        error: How the one ended that may have started it.
        repeatable: The caller allowed it to run twice.
        candidates: Calls that may be this one.
        why: Why it could not be found out.
    """
    sent = f"It was sent {attempts} times." if attempts > 1 else "It was not sent again because it could run twice."
    reason = f" It could not be found out: {why.rstrip('.')}." if why else ""
    if candidates:
        shown = ", ".join(str(call.id) for call in candidates[:_SHOWN]) + (", ..." if len(candidates) > _SHOWN else "")
        look = f"Look at the calls that may be it ({shown}; all are in `candidates`) and attach to the right one"
    else:
        look = "Look for it among the function's calls"
    advice = "" if repeatable else ", or pass retry=True if the function may run twice"
    failure = SubmissionUncertain(
        f"{which} may or may not have started: {error} {sent}{reason} {look}{advice}.", candidates=candidates
    )
    failure.__cause__ = error
    return failure


def not_started(which: str, error: AiocdfError) -> AiocdfError:
    """Return the error of a call that did not start and is not sent again, of the type of *error*."""
    failure = copy.copy(error)
    failure.args = (f"{which} did not start, as the service says: {error}",)
    failure.__cause__ = error
    return failure


def waited_out(what: str, seconds: float, error: AiocdfError) -> AiocdfError:
    """Return the error of what has waited for as long as it may for trouble to pass.

    Args:
        what: What did not happen, in words.
        seconds: How long it has waited.
        error: The trouble; what is returned is of the same type.
    """
    failure = copy.copy(error)
    failure.args = (f"{what}: it waited {seconds:.0f} s for this to pass: {error}",)
    failure.__cause__ = error
    return failure

"""What is known of one call, to look at: for its handles, and for messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiocdf._policy import lifecycle
from aiocdf._policy.lifecycle import Ended, Queued, Resolving, Running
from aiocdf.models.call_ref import CallRef

if TYPE_CHECKING:
    from aiocdf._engine.shared import Shared
    from aiocdf._policy.lifecycle import Live, State
    from aiocdf.config import Retry
    from aiocdf.models.calls import FunctionCall

__all__ = ["CallView"]


class CallView:
    """The part of a call's record that only reads."""

    __slots__ = ()

    shared: Shared
    function: int | str
    state: State
    created_at: float
    retry: bool | Retry
    earlier: tuple[FunctionCall, ...]

    @property
    def name(self) -> str:
        """What the caller called the function."""
        return repr(self.function) if isinstance(self.function, str) else str(self.function)

    @property
    def which(self) -> str:
        """The call in words, for messages."""
        return f"call {'' if self.call_id is None else f'{self.call_id} '}of function {self.name}"

    @property
    def repeatable(self) -> bool:
        """The caller says that the function may run twice."""
        return self.retry is not False

    @property
    def attempts(self) -> tuple[FunctionCall, ...]:
        """The calls of the function that were repeated."""
        return self.earlier

    @property
    def live(self) -> Live:
        """The state; of a call that has ended, the one before."""
        return self.state.last if isinstance(self.state, Ended) else self.state

    @property
    def ended(self) -> bool:
        """Tell whether nothing is done for the call any more."""
        return isinstance(self.state, Ended)

    @property
    def function_id(self) -> int | None:
        """The function's id; None until it has been looked up."""
        return None if isinstance(self.live, Resolving) else self.live.function_id

    @property
    def call_id(self) -> int | None:
        """The call's id; None until the service has accepted it."""
        return self.live.call_id if isinstance(self.live, Resolving | Running) else None

    @property
    def status(self) -> str:
        """Where the call stands, as far as we know."""
        return lifecycle.status(self.state)

    @property
    def reason(self) -> str | None:
        """Why the call waits, if that is trouble."""
        desk, now = self.shared.desk, self.shared.loop.time()
        match self.state:
            case Resolving() if desk:
                return desk.gate.breakers.reason(None, now)
            case Queued(function_id=function_id) if desk:
                return desk.gate.breakers.reason(function_id, now)
            case _:
                return None

    @property
    def elapsed(self) -> float:
        """Seconds the call has run, or has waited if it does not run yet."""
        live = self.live
        if isinstance(live, Running) and live.call is not None and live.call.runtime is not None:
            return live.call.runtime
        until = self.state.at if isinstance(self.state, Ended) else self.shared.loop.time()
        return until - (live.since if isinstance(live, Running) else self.created_at)

    @property
    def ref(self) -> CallRef | None:
        """Where to find the call again, once it has ids."""
        function_id, call_id = self.function_id, self.call_id
        if function_id is None or call_id is None:
            return None
        return CallRef(
            cluster=self.shared.cluster, project=self.shared.project, function_id=function_id, call_id=call_id
        )

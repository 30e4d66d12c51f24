"""The read-only state of one call, for its handles and for messages."""

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
    """The read-only part of a call's record."""

    __slots__ = ()

    shared: Shared
    function: int | str
    state: State
    created_at: float
    retry: bool | Retry
    earlier: tuple[FunctionCall, ...]

    @property
    def name(self) -> str:
        """The function as the caller named it."""
        return repr(self.function) if isinstance(self.function, str) else str(self.function)

    @property
    def which(self) -> str:
        """The call as text, for messages."""
        return f"call {'' if self.call_id is None else f'{self.call_id} '}of function {self.name}"

    @property
    def repeatable(self) -> bool:
        """Whether the function may run twice, as the caller stated."""
        return self.retry is not False

    @property
    def attempts(self) -> tuple[FunctionCall, ...]:
        """The earlier calls that failed and were repeated."""
        return self.earlier

    @property
    def live(self) -> Live:
        """The state; for a call that has ended, the state before."""
        return self.state.last if isinstance(self.state, Ended) else self.state

    @property
    def ended(self) -> bool:
        """Whether the engine has finished with the call."""
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
        """The last known state of the call."""
        return lifecycle.status(self.state)

    @property
    def reason(self) -> str | None:
        """The trouble that the call waits for; None if there is none."""
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
        """Seconds since the call started, or since it was made if it has not started."""
        live = self.live
        if isinstance(live, Running) and live.call is not None and live.call.runtime is not None:
            return live.call.runtime
        until = self.state.at if isinstance(self.state, Ended) else self.shared.loop.time()
        return until - (live.since if isinstance(live, Running) else self.created_at)

    @property
    def ref(self) -> CallRef | None:
        """The reference of the call; None until it has ids."""
        function_id, call_id = self.function_id, self.call_id
        if function_id is None or call_id is None:
            return None
        return CallRef(
            cluster=self.shared.cluster, project=self.shared.project, function_id=function_id, call_id=call_id
        )

"""The client's methods that make calls: one call, many calls, a function with its types."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from aiocdf._as_completed import AsCompleted
from aiocdf._map import MapResults
from aiocdf._project import Project
from aiocdf._wire.arguments import (
    CallSpec,
    check_call,
    check_items,
    check_max_pending,
    check_retry,
    check_timeout,
    secret_fault,
)
from aiocdf._wire.converter import check_type
from aiocdf._wire.identifiers import check_function
from aiocdf.bound_function import BoundFunction
from aiocdf.secret import Secret

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Awaitable, Callable, Iterable

    from typing_extensions import TypeForm

    from aiocdf.config import Retry, Settings
    from aiocdf.handle import CallHandle
    from aiocdf.models.call_ref import CallRef
    from aiocdf.models.functions import Function

__all__ = ["Calling"]

In = TypeVar("In")
Out = TypeVar("Out")
T = TypeVar("T")


class Calling(Project):
    """The part of `Client` that makes calls."""

    project: str
    settings: Settings
    _cluster: str

    @abstractmethod
    def _encode(self, data: object) -> tuple[bytes, Any]:
        """Return *data* as JSON text and as a plain object; warn if it seems to contain a secret."""

    def call(
        self,
        function: int | str | Function,
        data: object = None,
        *,
        nonce: str | Secret | None = None,
        timeout: float | None = None,
        retry: bool | Retry = False,
    ) -> CallHandle:
        """Call a function. The call is queued at once, without being awaited, and the handle is its future.

        Args:
            function: An id, an external id, or a `Function`. An external id is looked up once.
            data: The `data` argument of `handle()`: a mapping, or an attrs, dataclass or TypedDict value; None for an
                empty object. All users who may read the project's calls can read it, so do not put secrets into it.
            nonce: The nonce of a session that you created within the last minute; None to have the client create one.
            timeout: Seconds from the call's start on the service until the handle ends with `WaitExpired`. The call
                itself continues. None for no limit.
            retry: `True` if the function may run twice without harm: if it is unknown whether a POST started the call,
                it is sent again at once. A `Retry` also calls the function again after it failed. With
                `False`, it is sent again only after recovery has found that the call did not start.

        Raises:
            UsageError: An argument is not valid, or the client is not open. No request was sent. For `data`, the
                message gives the JSON path.
            ClientClosed: The client is closed.
        """
        if fault := secret_fault(nonce, "nonce"):
            del nonce  # a secret in bytes must not be among the locals of a traceback
            raise fault
        nonce = None if nonce is None else Secret(nonce)  # first, and in the same variable, so that no local shows it
        return self._call(function, data, nonce=nonce, timeout=timeout, retry=retry)

    def _call(
        self,
        function: int | str | Function,
        data: object = None,
        *,
        nonce: Secret | None = None,
        timeout: float | None = None,
        retry: bool | Retry = False,
        before_post: Callable[[int | None], Awaitable[None]] | None = None,
    ) -> CallHandle:
        """Call a function as `call` does; *before_post* receives the id of each POST's session."""
        engine = self._ready().engine
        encoded, _ = self._encode(data)
        spec = CallSpec(
            function=check_function(function),
            data=encoded,
            nonce=nonce,
            timeout=check_timeout(timeout),
            retry=check_retry(retry, nonce),
            before_post=before_post,
        )
        return engine.call(spec)

    @overload
    def attach(self, function: CallRef | str) -> CallHandle: ...

    @overload
    def attach(self, function: int | str | Function, call_id: int) -> CallHandle: ...

    def attach(self, function: int | str | Function | CallRef, call_id: int | None = None) -> CallHandle:
        """Return a handle on a call that was started before, by this process or another; no I/O.

        Args:
            function: The call's function; or, without *call_id*, a `CallRef` or its `token`.
            call_id: The call's id.

        Raises:
            UsageError: An argument is not valid, the reference is to another project, or the client is not open.
            ClientClosed: The client is closed.
        """
        engine = self._ready().engine
        return engine.attach(*check_call(function, call_id, cluster=self._cluster, project=self.project))

    @overload
    def function(self, function: int | str | Function) -> BoundFunction[object, Any]: ...

    @overload
    def function(self, function: int | str | Function, Input: type[In]) -> BoundFunction[In, Any]: ...

    @overload
    def function(self, function: int | str | Function, *, Output: type[Out]) -> BoundFunction[object, Out]: ...

    @overload
    def function(
        self, function: int | str | Function, Input: type[In], Output: type[Out]
    ) -> BoundFunction[In, Out]: ...

    @overload
    def function(self, function: int | str | Function, *, Output: TypeForm[Out]) -> BoundFunction[object, Out]: ...

    @overload
    def function(
        self, function: int | str | Function, Input: TypeForm[In], Output: TypeForm[Out]
    ) -> BoundFunction[In, Out]: ...

    def function(
        self, function: int | str | Function, Input: Any = None, Output: Any = None
    ) -> BoundFunction[Any, Any]:
        """Return a function with its types: `await fn(data)` returns the response, `fn.call(data)` a handle.

        Args:
            function: An id, an external id, or a `Function`.
            Input: The type of its data: `InvalidType` is raised for other data, except a mapping with the same members.
                None accepts any data.
            Output: The type to build from its response; None for plain JSON values.

        Raises:
            InvalidType: aiocdf cannot build values of a type from JSON.
            UsageError: *function* is not valid.
        """
        check_type(Input, "Input")
        check_type(Output, "Output")
        return BoundFunction(call=self.call, function=check_function(function), input=Input, output=Output)

    def as_completed(self, handles: Iterable[CallHandle]) -> AsCompleted:
        """Yield handles in the order in which their calls end, as an async iterator.

        Args:
            handles: The handles. Each is yielded once, when it is done: its `result()` returns the call or raises. Add
                more with `add` during the iteration.

        Raises:
            InvalidType: *handles* is one handle, or not a list of handles; for one, write `[handle]`.
            WrongState: A handle belongs to another event loop.
        """
        return AsCompleted(handles)

    @overload
    def map(
        self,
        function: int | str | Function,
        items: Iterable[T] | AsyncIterable[T],
        *,
        ordered: bool = False,
        return_exceptions: bool = False,
        max_pending: int | None = None,
    ) -> MapResults[T, Any]: ...

    @overload
    def map(
        self,
        function: int | str | Function,
        items: Iterable[T] | AsyncIterable[T],
        *,
        Output: type[Out],
        ordered: bool = False,
        return_exceptions: Literal[False] = False,
        max_pending: int | None = None,
    ) -> MapResults[T, Out]: ...

    @overload
    def map(
        self,
        function: int | str | Function,
        items: Iterable[T] | AsyncIterable[T],
        *,
        Output: TypeForm[Out],
        ordered: bool = False,
        return_exceptions: Literal[False] = False,
        max_pending: int | None = None,
    ) -> MapResults[T, Out]: ...

    @overload
    def map(
        self,
        function: int | str | Function,
        items: Iterable[T] | AsyncIterable[T],
        *,
        Output: TypeForm[Out],
        ordered: bool = False,
        return_exceptions: bool,
        max_pending: int | None = None,
    ) -> MapResults[T, Out | Exception]: ...

    def map(
        self,
        function: int | str | Function,
        items: Iterable[T] | AsyncIterable[T],
        *,
        Output: Any = None,
        ordered: bool = False,
        return_exceptions: bool = False,
        max_pending: int | None = None,
    ) -> MapResults[T, Any]:
        """Call a function with each of *items*, and yield each item with what the function returned.

        It reads the next input only when *max_pending* allows one more call, so the inputs may be endless. If the
        inputs raise an exception, it is raised after the results of the calls that were made. If you leave the loop
        early, calls in the queue never start, and running calls continue on the service without being tracked.

        Args:
            function: An id, an external id, or a `Function`.
            items: The data of each call, from any iterable or async iterable; a mapping or a text is not one.
            Output: The type to build from each response; None for plain JSON values.
            ordered: Whether to yield results in the order of the inputs instead of in the order of the calls' ends.
            return_exceptions: Whether to yield the errors of calls as their results instead of raising the first.
            max_pending: The maximum number of calls whose results you have not received yet. None: twice
                `settings.project_limit`.

        Raises:
            UsageError: An argument is not valid, such as one mapping instead of several items.
            ClientClosed: The client is closed.
        """
        name, most = check_function(function), check_max_pending(max_pending)
        check_type(Output, "Output")
        check_items(items)
        self._ready()
        return MapResults(
            lambda item: self.call(name, item),
            items,
            function=name,
            Output=Output,
            ordered=ordered,
            return_exceptions=return_exceptions,
            max_pending=most or 2 * self.settings.project_limit,
            readers=self.settings.max_concurrent_reads,
        )

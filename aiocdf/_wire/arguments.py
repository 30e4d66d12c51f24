"""Checks of the arguments of a client's methods."""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Iterable, Mapping
from typing import TYPE_CHECKING

import attrs

from aiocdf._wire.identifiers import check_function, check_id, parse_ref
from aiocdf.config import Retry
from aiocdf.errors import InvalidArgument, InvalidType
from aiocdf.models.call_ref import CallRef
from aiocdf.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiocdf.models.functions import Function

__all__ = [
    "CallSpec",
    "check_call",
    "check_count",
    "check_items",
    "check_limit",
    "check_max_pending",
    "check_retry",
    "check_text",
    "check_timeout",
    "secret_fault",
]


@attrs.frozen(kw_only=True)
class CallSpec:
    """The arguments of a call, checked and encoded."""

    #: An id, or an external id that has to be looked up.
    function: int | str
    #: The data as JSON text; empty for a call that was started elsewhere.
    data: bytes = b""
    #: A nonce from the caller, which is valid for one attempt.
    nonce: Secret | None = None
    #: Seconds from the call's start until its handles end with `WaitExpired`.
    timeout: float | None = None
    #: Whether the function may run twice without harm; a `Retry` has the statuses after which it is called again.
    retry: bool | Retry = False
    #: Awaited before each POST, with the id of its session.
    before_post: Callable[[int | None], Awaitable[None]] | None = None


def check_timeout(timeout: object) -> float | None:
    """Return *timeout* if it is valid.

    Raises:
        InvalidType: It is not a number.
        InvalidArgument: It is not above 0.
    """
    if timeout is None:
        return None
    if isinstance(timeout, bool) or not isinstance(timeout, int | float):
        raise InvalidType(f"timeout is {timeout!r}; it must be a number of seconds, or None")
    if not timeout > 0:
        raise InvalidArgument(f"timeout is {timeout!r}; it must be more than 0 seconds, or None")
    return timeout


def check_retry(retry: object, nonce: object) -> bool | Retry:
    """Return *retry* if it is a bool or a `Retry`.

    Raises:
        InvalidType: It is something else, such as a number of attempts.
        InvalidArgument: It is a `Retry`, and *nonce* is not None: a nonce is valid for one call.
    """
    if not isinstance(retry, bool | Retry):
        raise InvalidType(
            f"retry is {retry!r}; it must be True, False or Retry(...): whether the function may run twice"
        )
    if isinstance(retry, Retry) and nonce is not None:
        raise InvalidArgument("give either nonce or retry=Retry(...): a nonce is valid for one call")
    return retry


def secret_fault(secret: object, name: str) -> InvalidType | None:
    """Return what is wrong with *secret*, the argument *name*; None if it is valid.

    The caller raises it, without the secret among its locals: a secret in bytes must not be in a traceback.
    """
    if secret is None or isinstance(secret, str | Secret):
        return None
    return InvalidType(f"{name} must be text, as the service returned it, not {type(secret).__name__}")


def check_max_pending(max_pending: object) -> int | None:
    """Return *max_pending* if it is a valid number of calls.

    Raises:
        InvalidType: It is not a whole number.
        InvalidArgument: It is below 1.
    """
    return None if max_pending is None else check_count(max_pending, "max_pending")


def check_limit(limit: object) -> int | None:
    """Return *limit* if it is a valid number of items.

    Raises:
        InvalidType: It is not a whole number.
        InvalidArgument: It is below 1.
    """
    return None if limit is None else check_count(limit, "limit")


def check_count(count: object, name: str) -> int:
    """Return *count*, the argument *name*, if it is a whole number of at least 1.

    Raises:
        InvalidType: It is not a whole number.
        InvalidArgument: It is below 1.
    """
    if isinstance(count, bool) or not isinstance(count, int):
        raise InvalidType(f"{name} is {count!r}; it must be a whole number")
    if count < 1:
        raise InvalidArgument(f"{name} is {count}; it must be at least 1")
    return count


def check_text(text: object, name: str, *, longest: int) -> str:
    """Return *text*, the argument *name*, if it has 1 to *longest* characters.

    Raises:
        InvalidType: It is not text.
        InvalidArgument: It is empty or too long.
    """
    if not isinstance(text, str):
        raise InvalidType(f"{name} must be text, not {type(text).__name__}")
    if not 0 < len(text) <= longest:
        raise InvalidArgument(f"{name} has {len(text):,} characters; it must have 1 to {longest:,}")
    return text


def check_items(items: object) -> None:
    """Check that *items* is an iterable of several items.

    Raises:
        InvalidType: It is not an iterable or async iterable. Or it is one mapping, one text or one handle, which are
            iterable but not meant as several items.
    """
    single = isinstance(items, str | bytes | bytearray | Mapping | Awaitable)
    if single or not isinstance(items, Iterable | AsyncIterable):
        raise InvalidType(f"map takes an iterable of items, not {type(items).__name__}: write [item] for one")


def check_call(
    function: int | str | Function | CallRef, call_id: int | None, *, cluster: str, project: str
) -> tuple[int | str, int]:
    """Return the function and the id of the call that the arguments of `attach` name.

    Args:
        function: The call's function; or, without *call_id*, a `CallRef` or its `token`.
        call_id: The call's id.
        cluster: The client's cluster, which must be the reference's too.
        project: The client's project, likewise.

    Raises:
        UsageError: They do not name a call, or name a call of another project.
    """
    if call_id is not None:
        if isinstance(function, CallRef):
            raise InvalidType("attach takes a CallRef, or a function and a call's id, not both")
        return check_function(function), check_id(call_id, "call")
    ref = parse_ref(function) if isinstance(function, str) else function
    if not isinstance(ref, CallRef):
        raise InvalidType("attach takes a CallRef, its token, or a function together with a call's id")
    if (ref.cluster, ref.project) != (cluster, project):
        raise InvalidArgument(f"{ref} belongs to another project than this client's {cluster}:{project}")
    return check_id(ref.function_id, "function"), check_id(ref.call_id, "call")

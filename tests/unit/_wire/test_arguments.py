from __future__ import annotations

import math

import pytest

from aiocdf import CallRef, Function, FunctionStatus, InvalidArgument, InvalidType, Retry, Secret
from aiocdf._wire.arguments import check_call, check_max_pending, check_retry, check_timeout, secret_fault

REF = CallRef(cluster="westeurope-1", project="acme", function_id=12, call_id=345)
OURS = {"cluster": "westeurope-1", "project": "acme"}


@pytest.mark.parametrize("timeout", [None, 1, 0.5, math.inf])
def test_timeouts(timeout) -> None:
    """A number of seconds, or none, is a timeout."""
    assert check_timeout(timeout) == timeout


@pytest.mark.parametrize(
    ("timeout", "kind"),
    [(0, InvalidArgument), (-1, InvalidArgument), (math.nan, InvalidArgument), ("5", InvalidType), (True, InvalidType)],
)
def test_what_is_no_timeout(timeout, kind) -> None:
    """A timeout is a number and above 0, and is shown when it is not."""
    with pytest.raises(kind, match=f"^timeout is {timeout!r}; it must be"):
        check_timeout(timeout)


@pytest.mark.parametrize("retry", [True, False, Retry()])
def test_retry(retry) -> None:
    """Whether a function may run twice is a truth; a `Retry` says more of it."""
    assert check_retry(retry, None) is retry


def test_retry_beside_a_nonce() -> None:
    """A nonce is good for one call, so that it does not go with further ones."""
    assert check_retry(True, Secret("n0nce"))
    with pytest.raises(InvalidArgument, match="either nonce or retry"):
        check_retry(Retry(), Secret("n0nce"))


@pytest.mark.parametrize("retry", [3, 0, None, "yes"])
def test_what_is_no_retry(retry) -> None:
    """A number of attempts is refused: it would be read as another thing than it says."""
    with pytest.raises(InvalidType, match=f"^retry is {retry!r}; it must be True, False or Retry"):
        check_retry(retry, None)


@pytest.mark.parametrize("nonce", [None, "n0nce", Secret("n0nce")])
def test_nonces(nonce) -> None:
    """Text, a secret and none at all are right."""
    assert secret_fault(nonce, "nonce") is None


@pytest.mark.parametrize("nonce", [5, b"n0nce", ["n0nce"]])
def test_what_is_no_nonce(nonce) -> None:
    """What is wrong is said by its kind, and not shown."""
    fault = secret_fault(nonce, "nonce")
    assert isinstance(fault, InvalidType)
    assert "nonce" in str(fault)
    assert type(nonce).__name__ in str(fault)


@pytest.mark.parametrize("number", [None, 1, 5000])
def test_max_pending(number) -> None:
    """A whole number from 1 up, or none, is a number of calls."""
    assert check_max_pending(number) == number


@pytest.mark.parametrize(
    ("number", "kind"), [(0, InvalidArgument), (-1, InvalidArgument), (1.0, InvalidType), (True, InvalidType)]
)
def test_what_is_no_max_pending(number, kind) -> None:
    """Anything else is refused, and shown."""
    with pytest.raises(kind, match=f"^max_pending is {number!r}; it must be"):
        check_max_pending(number)


@pytest.mark.parametrize(
    ("function", "call_id", "found"),
    [
        (REF, None, (12, 345)),
        (REF.token, None, (12, 345)),
        (12, 345, (12, 345)),
        ("double", 345, ("double", 345)),
        (Function(id=12, name="f", status=FunctionStatus.Ready), 345, (12, 345)),
    ],
)
def test_calls(function, call_id, found) -> None:
    """A call is named by a reference, its token, or a function and an id."""
    assert check_call(function, call_id, **OURS) == found


@pytest.mark.parametrize(
    ("function", "call_id", "kind"),
    [
        (REF, 345, InvalidType),
        (12, None, InvalidType),
        ("double", None, InvalidArgument),
        ("", 345, InvalidArgument),
        (12, 0, InvalidArgument),
        (CallRef(cluster="westeurope-1", project="acme", function_id=0, call_id=1), None, InvalidArgument),
        (CallRef(cluster="westeurope-1", project="acme", function_id=1, call_id="2"), None, InvalidType),
    ],
)
def test_what_names_no_call(function, call_id, kind) -> None:
    """Whatever else is refused."""
    with pytest.raises(kind):
        check_call(function, call_id, **OURS)


@pytest.mark.parametrize("other", [{"cluster": "az-eastus-1"}, {"project": "other"}])
def test_call_of_another_project(other) -> None:
    """A reference from another cluster or project finds nothing here, and the message names both."""
    with pytest.raises(InvalidArgument, match=r"cdf:westeurope-1:acme:12:345 belongs to another project"):
        check_call(REF, None, **OURS | other)

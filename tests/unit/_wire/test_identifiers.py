from __future__ import annotations

import pytest

from aiocdf import CallRef, InvalidArgument, InvalidType
from aiocdf._wire.identifiers import parse_ref


@pytest.mark.parametrize("cluster", ["westeurope-1", "127.0.0.1:8000", "[::1]:8000", "localhost:1"])
def test_token_round_trip(cluster) -> None:
    """A token reads back as the reference it was made of, whatever the cluster."""
    ref = CallRef(cluster=cluster, project="acme", function_id=12, call_id=345)
    assert parse_ref(ref.token) == ref


@pytest.mark.parametrize(
    "token",
    [
        "",
        "cdf",
        "cdf:a:b:1",
        "cdf:a:b:0:1",
        "cdf:a:b:1:x",
        "cdf::b:1:2",
        "cdf:a::1:2",
        "abc:a:b:1:2",
        "cdf:a:b:²:1",
        f"cdf:a:b:1:{'9' * 5000}",
    ],
)
def test_what_is_no_token(token) -> None:
    """A text that is not a token is rejected, with an example of one."""
    with pytest.raises(InvalidArgument, match="westeurope-1"):
        parse_ref(token)


@pytest.mark.parametrize("token", [None, 5, b"cdf:a:b:1:2"])
def test_token_of_the_wrong_kind(token) -> None:
    """A value that is not text is rejected with a TypeError."""
    with pytest.raises(InvalidType, match="westeurope-1"):
        parse_ref(token)

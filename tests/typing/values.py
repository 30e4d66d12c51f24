"""What type checkers see of the types of values. Read by mypy and pyright, never run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypedDict, assert_type

import attrs

import aiocdf

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@attrs.frozen
class Reading:
    """What a function takes."""

    value: float


class Score(TypedDict):
    """What a function returns."""

    score: float


async def responses(client: aiocdf.Client) -> None:
    """A response has the type that was asked for: a class, a generic type, a union or a literal."""
    call = client.call("score", data=Reading(1.0))
    assert_type(await call.response(), Any)
    assert_type(await call.response(Score), Score)
    assert_type(await call.response(dict[str, list[int]]), dict[str, list[int]])
    assert_type(await call.response(Score | None), Score | None)
    assert_type(await call.response(Literal["high", "low"]), Literal["high", "low"])
    await call.response(Output=Score)
    await call.response(kind=Score)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]


async def callables(client: aiocdf.Client) -> None:
    """A function with its types takes an input or a mapping, and nothing else."""
    score = client.function("score", Reading, Score)
    assert_type(score, aiocdf.BoundFunction[Reading, Score])
    assert_type(await score(Reading(1.0)), Score)
    assert_type(await score({"value": 1.0}), Score)
    assert_type(score.call({"value": 1.0}), aiocdf.CallHandle)
    assert_type(client.function("score", Output=int | None), aiocdf.BoundFunction[object, int | None])
    assert_type(client.function("score", Reading, Score | None), aiocdf.BoundFunction[Reading, Score | None])
    await score(1.0)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await score([Reading(1.0)])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    wrong: int = await score(Reading(1.0))  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    del wrong


async def maps(client: aiocdf.Client, inputs: AsyncIterator[Reading]) -> None:
    """A map gives each input with its value, or with an error where errors are asked for."""
    async for item, value in client.map("score", inputs, Output=Score):
        assert_type(item, Reading)
        assert_type(value, Score)
    async for _, value_or_none in client.map("score", inputs, Output=Score | None):
        assert_type(value_or_none, Score | None)
    async for _, outcome in client.map("score", inputs, Output=Score, return_exceptions=True):
        assert_type(outcome, Score | Exception)
    async for _, anything in client.map("score", [Reading(1.0)]):
        assert_type(anything, Any)
    await client.map("score", inputs).aclose()
    client.map("score", 5)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]


def errors(error: aiocdf.DecodeError) -> None:
    """What does not fit is described by texts."""
    assert_type(error.path, str)
    assert_type(error.found, str | None)
    assert_type(error.wanted, str | None)

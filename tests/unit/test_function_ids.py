"""Functions by their external ids, which may be deployed again at any time."""

from __future__ import annotations

import pytest

from aiocdf import BadRequest, NotFound
from aiocdf._function_ids import with_function_id


class Service:
    """Knows a function by its id; what is remembered of it may be old."""

    def __init__(self, *, remembered: int, current: int) -> None:
        self.remembered = remembered
        self.current = current
        self.asked: list[int] = []

    async def resolve(self, function: int | str, *, refresh: bool = False) -> int:
        if isinstance(function, int):
            return function
        if refresh:
            self.remembered = self.current
        return self.remembered

    async def ask(self, function_id: int) -> str:
        self.asked.append(function_id)
        if function_id != self.current:
            raise NotFound("no", status=400, code=400, detail="no")
        return "answer"


async def test_a_known_id() -> None:
    """One request is sent, with the id that is known."""
    service = Service(remembered=1, current=1)

    assert await with_function_id(service.resolve, "f", service.ask) == "answer"
    assert service.asked == [1]


async def test_an_old_id() -> None:
    """A function that was deployed again is looked up, and the request is sent again."""
    service = Service(remembered=1, current=2)

    assert await with_function_id(service.resolve, "f", service.ask) == "answer"
    assert service.asked == [1, 2]


async def test_something_else_is_not_found() -> None:
    """If the id was right, the request is not repeated."""
    service = Service(remembered=1, current=1)

    async def ask(function_id: int) -> None:
        service.asked.append(function_id)
        raise NotFound("no", status=400, code=400, detail="no")

    with pytest.raises(NotFound):
        await with_function_id(service.resolve, "f", ask)
    assert service.asked == [1]


@pytest.mark.parametrize(("function", "error"), [(1, NotFound), ("f", BadRequest)])
async def test_errors_that_say_nothing_of_the_id(function, error) -> None:
    """A numeric id is not looked up, and other errors cause no look-up."""
    service = Service(remembered=1, current=2)

    async def ask(function_id: int) -> None:
        service.asked.append(function_id)
        raise error("no", status=400, code=400, detail="no")

    with pytest.raises(error):
        await with_function_id(service.resolve, function, ask)
    assert service.asked == [1]

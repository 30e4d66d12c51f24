"""Reading what a request says, strictly."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn

import attrs
from aiohttp import web

from aiocdf.local.http.problems import Problem
from aiocdf.local.state.records import TimeRange

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

__all__ = ["MAX_ID", "Fields", "from_body", "from_path", "from_query"]

MAX_ID = 2**53 - 1
MAX_LIMIT = 2**31 - 1


@attrs.frozen
class Fields:
    """The fields of a JSON object; every method answers 400 naming the field when it is not as it must be.

    Args:
        values: The object.
        where: Its JSON path, to begin the names of its fields with.
    """

    values: Mapping[str, Any]
    where: str = ""

    def __contains__(self, name: str) -> bool:
        """Tell whether the field is there."""
        return name in self.values

    def text(self, name: str) -> str:
        """Return a string that must be there and not be empty."""
        value = self.values.get(name)
        if not isinstance(value, str) or not value:
            self._refuse(name, "must be a string that is not empty")
        return value

    def optional_text(self, name: str) -> str | None:
        """Return a string, or None if it is not there."""
        return self.text(name) if name in self else None

    def choice(self, name: str, choices: Collection[str]) -> str | None:
        """Return one of the choices, or None if it is not there."""
        value = self.values.get(name)
        if name in self and (not isinstance(value, str) or value not in choices):
            self._refuse(name, f"must be one of {', '.join(choices)}")
        return value

    def integer(self, name: str, low: int, high: int) -> int:
        """Return an integer from low to high that must be there."""
        value = self.values.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            self._refuse(name, f"must be an integer from {low} to {high}")
        return value

    def id(self, name: str = "id") -> int:
        """Return an id that must be there."""
        return self.integer(name, 1, MAX_ID)

    def optional_id(self, name: str) -> int | None:
        """Return an id, or None if it is not there."""
        return self.id(name) if name in self else None

    def limit(self, default: int = 100, high: int = MAX_LIMIT) -> int:
        """Return how many results are asked for."""
        return self.integer("limit", 1, high) if "limit" in self else default

    def flag(self, name: str) -> bool:
        """Return a boolean, False if it is not there."""
        value = self.values.get(name, False)
        if not isinstance(value, bool):
            self._refuse(name, "must be true or false")
        return value

    def object(self, name: str) -> Fields:
        """Return an object, an empty one if it is not there."""
        value = self.values.get(name, {})
        if not isinstance(value, dict):
            self._refuse(name, "must be an object")
        return Fields(value, f"{self.where}{name}.")

    def items(self, high: int) -> list[Fields]:
        """Return the objects of the list `items`, 1 to high of them."""
        value = self.values.get("items")
        if not isinstance(value, list) or not 1 <= len(value) <= high:
            self._refuse("items", f"must be a list of 1 to {high} objects")
        for position, item in enumerate(value):
            if not isinstance(item, dict):
                self._refuse(f"items[{position}]", "must be an object")
        return [Fields(item, f"{self.where}items[{position}].") for position, item in enumerate(value)]

    def time_range(self, name: str) -> TimeRange:
        """Return a range of epoch milliseconds, open if it is not there."""
        bounds = self.object(name)
        low, high = (bounds.integer(end, 0, MAX_ID) if end in bounds else None for end in ("min", "max"))
        return TimeRange(low, high)

    def _refuse(self, name: str, rule: str) -> NoReturn:
        raise Problem(400, f"{self.where}{name} {rule}")


async def from_body(request: web.Request) -> Fields:
    """Return the request's JSON object."""
    try:
        body = json.loads(await request.read(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError, web.RequestPayloadError):
        raise Problem(400, "The request body must be JSON") from None
    if not isinstance(body, dict):
        raise Problem(400, "The request body must be a JSON object")
    return Fields(body)


def from_query(request: web.Request) -> Fields:
    """Return the query's parameters, with `limit` as the number it looks like."""
    return Fields({name: _number(text) if name == "limit" else text for name, text in request.query.items()})


def from_path(request: web.Request, name: str) -> int:
    """Return the id in the request's path."""
    return Fields({name: _number(request.match_info[name])}).id(name)


def _number(text: str) -> int | str:
    """Return a short text of digits as a number, and other text as it is, to be refused by name later."""
    return int(text) if text.isdecimal() and len(text) <= len(str(MAX_ID)) else text


def _refuse_constant(name: str) -> NoReturn:
    """Refuse NaN and Infinity, which Python reads and JSON does not have."""
    raise ValueError(name)

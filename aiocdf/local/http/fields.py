"""Strict reading of the fields of a request."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NoReturn

import attrs
from aiohttp import web

from aiocdf.local.http.problems import Problem
from aiocdf.local.state.records import TimeRange

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

__all__ = ["MAX_EXTERNAL_ID", "MAX_ID", "Fields", "from_body", "from_path", "from_query"]

MAX_ID = 2**53 - 1
MAX_EXTERNAL_ID = 255
MAX_LIMIT = 2**31 - 1
_SURROGATE = re.compile("[\ud800-\udfff]")


@attrs.frozen
class Fields:
    """The fields of a JSON object. If a field is not valid, each method raises a `Problem` (400) with its name.

    A field with the value null counts as absent.

    Args:
        values: The object.
        where: The JSON path of the object, as a prefix for the names of its fields.
    """

    values: Mapping[str, Any] = attrs.field(repr=False)  # may contain secrets
    where: str = ""

    def __contains__(self, name: str) -> bool:
        """Return whether a field is present."""
        return self.values.get(name) is not None

    def text(self, name: str, longest: int | None = None) -> str:
        """Return a required string that is not empty.

        Args:
            name: The name of the field.
            longest: The maximum number of characters; None means no limit.
        """
        value = self.values.get(name)
        if not isinstance(value, str) or not value:
            self.refuse(name, "must be a string that is not empty")
        if longest is not None and len(value) > longest:
            self.refuse(name, f"must be a string of at most {longest} characters")
        if _SURROGATE.search(value):
            self.refuse(name, "must be valid Unicode: it contains half of a surrogate pair")
        return value

    def optional_text(self, name: str, longest: int | None = None) -> str | None:
        """Return a string; None if it is absent."""
        return self.text(name, longest) if name in self else None

    def choice(self, name: str, choices: Collection[str]) -> str | None:
        """Return one of the choices; None if it is absent."""
        value = self.values.get(name)
        if value is not None and (not isinstance(value, str) or value not in choices):
            self.refuse(name, f"must be one of {', '.join(choices)}")
        return value

    def integer(self, name: str, low: int, high: int) -> int:
        """Return a required integer from *low* to *high*."""
        value = self.values.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            self.refuse(name, f"must be an integer from {low} to {high}")
        return value

    def id(self, name: str = "id") -> int:
        """Return a required id."""
        return self.integer(name, 1, MAX_ID)

    def optional_id(self, name: str) -> int | None:
        """Return an id; None if it is absent."""
        return self.id(name) if name in self else None

    def limit(self, default: int = 100, high: int = MAX_LIMIT) -> int:
        """Return the requested number of results."""
        return self.integer("limit", 1, high) if "limit" in self else default

    def flag(self, name: str) -> bool:
        """Return a boolean; False if it is absent."""
        value = self.values[name] if name in self else False
        if not isinstance(value, bool):
            self.refuse(name, "must be true or false")
        return value

    def text_flag(self, name: str) -> bool:
        """Return a boolean of a query; False if it is absent. Cognite's client for Python sends `True`."""
        value = (self.optional_text(name) or "false").lower()
        if value not in {"true", "false"}:
            self.refuse(name, "must be true or false")
        return value == "true"

    def number(self, name: str) -> float | None:
        """Return a number above 0; None if it is absent."""
        value = self.values.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e9):
            self.refuse(name, "must be a number above 0")
        return value

    def identifier(self) -> int | str:
        """Return the id or the external id of an item, which must have exactly one of them."""
        if ("id" in self) == ("externalId" in self):
            self.refuse_all("must have either id or externalId")
        return self.id() if "id" in self else self.text("externalId", MAX_EXTERNAL_ID)

    def object(self, name: str) -> Fields:
        """Return an object; an empty one if it is absent."""
        value = self.values[name] if name in self else {}
        if not isinstance(value, dict):
            self.refuse(name, "must be an object")
        return Fields(value, f"{self.where}{name}.")

    def texts(self, name: str) -> dict[str, str]:
        """Return an object whose values are strings; an empty one if it is absent."""
        found = self.object(name)
        for key, value in found.values.items():
            if not isinstance(value, str) or _SURROGATE.search(key + value):
                found.refuse(key, "must be a string")
        return dict(found.values)

    def items(self, high: int) -> list[Fields]:
        """Return the 1 to *high* objects of the list `items`."""
        value = self.values.get("items")
        if not isinstance(value, list) or not 1 <= len(value) <= high:
            self.refuse("items", f"must be a list of 1 to {high} objects")
        for position, item in enumerate(value):
            if not isinstance(item, dict):
                self.refuse(f"items[{position}]", "must be an object")
        return [Fields(item, f"{self.where}items[{position}].") for position, item in enumerate(value)]

    def time_range(self, name: str) -> TimeRange:
        """Return a range of epoch milliseconds; an open one if it is absent."""
        bounds = self.object(name)
        low, high = (bounds.integer(end, 0, MAX_ID) if end in bounds else None for end in ("min", "max"))
        return TimeRange(low, high)

    def refuse(self, name: str, rule: str) -> NoReturn:
        """Raise a `Problem` (400) with the name of the field and the rule that it breaks."""
        raise Problem(400, f"{self.where}{name} {rule}")

    def refuse_all(self, rule: str) -> NoReturn:
        """Raise a `Problem` (400) with the name of the object and the rule that it breaks."""
        raise Problem(400, f"{self.where.removesuffix('.') or 'The request body'} {rule}")


async def from_body(request: web.Request) -> Fields:
    """Return the JSON object in the body of a request; an empty one if there is no body."""
    try:
        # Decode first, because `json` would also accept bytes in UTF-16 and UTF-32.
        text = (await request.read()).decode() if request.body_exists else "{}"
        body = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError, web.RequestPayloadError):
        raise Problem(400, "The request body must be JSON in UTF-8") from None
    if not isinstance(body, dict):
        raise Problem(400, "The request body must be a JSON object")
    return Fields(body)


def from_query(request: web.Request) -> Fields:
    """Return the parameters of a query: `limit` as a number, and repeated parameters as lists."""
    given = {name: request.query.getall(name) for name in request.query}
    return Fields({name: _value(name, texts[0]) if len(texts) == 1 else texts for name, texts in given.items()})


def from_path(request: web.Request, name: str) -> int:
    """Return an id from the path of a request."""
    return Fields({name: _number(request.match_info[name])}).id(name)


def _value(name: str, text: str) -> int | str:
    return _number(text) if name == "limit" else text


def _number(text: str) -> int | str:
    """Return a short text of digits as a number. Return other text unchanged; a later check rejects it by name."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= len(str(MAX_ID)) else text


def _refuse_constant(name: str) -> NoReturn:
    """Reject NaN and Infinity, which Python accepts but which are not JSON."""
    raise ValueError(name)

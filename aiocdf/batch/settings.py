"""The settings of a durable map."""

from __future__ import annotations

from typing import Any, Literal, get_args

import attrs
from attrs.validators import optional

from aiocdf.config import above_zero, of_kind
from aiocdf.errors import ConfigError

__all__ = ["InputFormat", "MapSettings"]

InputFormat = Literal["jsonl", "csv"]


def _format(_: object, setting: attrs.Attribute[Any], value: object) -> None:
    if value is not None and value not in get_args(InputFormat):
        raise ConfigError(f"setting {setting.name} must be one of {', '.join(get_args(InputFormat))}, not {value!r}")


@attrs.frozen(kw_only=True)
class MapSettings:
    """Everything about a durable map that has a default."""

    #: `jsonl` or `csv`; None to go by the suffix of the input file.
    format: InputFormat | None = attrs.field(default=None, validator=_format)
    #: The field of the data that is the input's key; None for its line number.
    key: str | None = attrs.field(default=None, validator=optional(of_kind(str)))
    #: Write the results in the order of the inputs; else in the order in which they ended.
    ordered: bool = attrs.field(default=False, validator=of_kind(bool))
    #: Submit again what ended as Failed, Timeout or Refused.
    retry_failed: bool = attrs.field(default=False, validator=of_kind(bool))
    #: Submit again what ended as Uncertain: it may then run twice.
    retry_uncertain: bool = attrs.field(default=False, validator=of_kind(bool))
    #: The maximum number of inputs under way at once; None for the function's limit and a few waiting ones.
    max_pending: int | None = attrs.field(default=None, validator=optional([of_kind(int), above_zero]))

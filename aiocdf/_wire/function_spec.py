"""A function to create. The service's documented constraints are checked before anything is sent."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import attrs
from attrs.validators import optional

from aiocdf._wire.arguments import check_text
from aiocdf._wire.converter import camel
from aiocdf._wire.fields import TextMap, check_amount
from aiocdf.errors import InvalidArgument, InvalidType
from aiocdf.models.functions import FunctionStatus
from aiocdf.secret import Secret, safe_to_show

if TYPE_CHECKING:
    from aiocdf.models.functions import Function, FunctionLimits, Range

__all__ = ["HANDLER", "FunctionSpec"]

#: The file in which the service looks for `handle` by default.
HANDLER = "handler.py"

METADATA = TextMap(most=16, key_length=32, value_length=512, total_bytes=4096)
ENV_VARS = TextMap(
    most=100, key_pattern=re.compile(r"[A-Za-z0-9_]+"), key_rule="keys have only letters, digits and underscores"
)
SECRETS = TextMap(
    most=30,
    key_pattern=re.compile(r"(?!token$)[a-z0-9-]{1,15}"),
    key_rule="keys have 1 to 15 lower-case letters, digits and dashes, and `token` is reserved",
    pair_bytes=25_000,
)
_RUNTIMES = re.compile(r"py3\d{1,2}")
# The fields that a spec and a function of the service have under the same name.
_COMPARED = ("name", "external_id", "description", "owner", "metadata", "env_vars")


def _text(most: int) -> Any:
    """Make the validator of a text with 1 to *most* characters."""
    return lambda _, field, value: check_text(value, field.name, longest=most)


def _texts(rule: TextMap) -> Any:
    return lambda _, field, value: rule.check(value, field.name)


def _amount(_: object, field: attrs.Attribute[float], value: object) -> None:
    check_amount(value, field.name)


def _runtime(_: object, __: attrs.Attribute[str], value: object) -> None:
    if not (isinstance(value, str) and _RUNTIMES.fullmatch(value)):
        raise InvalidArgument(f"runtime is {value!r}; it must be text such as 'py312'")


def _function_path(_: object, __: attrs.Attribute[str], value: object) -> None:
    path = check_text(value, "function_path", longest=500)
    if not path.endswith(".py") or "\\" in path or not {"", ".", ".."}.isdisjoint(path.split("/")):
        raise InvalidArgument(
            f"function_path is {path!r}; it must be the path of a Python file below the folder, with slashes"
        )


def _none_for_empty(value: str | None) -> str | None:
    """Return None for an empty text, as the service stores it."""
    return None if value == "" else value


def _copied(given: Mapping[str, str] | None) -> Mapping[str, str]:
    """Copy a mapping, which the caller may change; the validator rejects another type."""
    return {} if given is None else dict(given) if isinstance(given, Mapping) else given


def _hidden(given: Mapping[str, str | Secret] | None) -> Mapping[str, Secret]:
    """Check secrets, and wrap their values."""
    plain: Any = {} if given is None else given
    if isinstance(given, Mapping):
        plain = {key: value.reveal() if isinstance(value, Secret) else value for key, value in given.items()}
    SECRETS.check(plain, "secrets")
    return {key: Secret(value) for key, value in plain.items()}


def _address(value: str | Secret, field: str = "index_url") -> Secret:
    """Wrap the address of a package index, which may hold a password."""
    if not isinstance(value, str | Secret):
        raise InvalidType(f"{field} must be text, not {type(value).__name__}")
    if not re.match("https?://.", Secret(value).reveal()):
        raise InvalidArgument(f"{field} must be an address that begins with https:// or http://")
    return Secret(value)


def _address_or_none(value: str | Secret | None) -> Secret | None:
    return None if value is None else _address(value)


def _addresses(given: Iterable[str | Secret] | None) -> tuple[Secret, ...]:
    if given is None:
        return ()
    if isinstance(given, str | Secret) or not isinstance(given, Iterable):
        raise InvalidType("extra_index_urls must be a list of addresses")
    return tuple(_address(value, f"extra_index_urls[{index}]") for index, value in enumerate(given))


def _same_amount(wanted: float | None, allowed: Range | None, shown: float | None) -> bool:
    """Return whether a function has the wanted amount: None means the default, and an unknown amount is equal."""
    expected = allowed.default if wanted is None and allowed else wanted
    return expected is None or shown is None or math.isclose(expected, shown, rel_tol=1e-6)


@safe_to_show
@attrs.frozen(kw_only=True)
class FunctionSpec:
    """The properties of a function to create, without its code.

    Raises:
        InvalidType: A field is of the wrong type.
        InvalidArgument: A field violates a constraint of the service.
    """

    name: str = attrs.field(validator=_text(140))
    external_id: str | None = attrs.field(default=None, validator=optional(_text(255)))
    description: str | None = attrs.field(default=None, converter=_none_for_empty, validator=optional(_text(500)))
    owner: str | None = attrs.field(default=None, converter=_none_for_empty, validator=optional(_text(128)))
    secrets: Mapping[str, Secret] = attrs.field(default=None, converter=_hidden)
    env_vars: Mapping[str, str] = attrs.field(default=None, converter=_copied, validator=_texts(ENV_VARS), repr=False)
    metadata: Mapping[str, str] = attrs.field(default=None, converter=_copied, validator=_texts(METADATA))
    #: Cores.
    cpu: float | None = attrs.field(default=None, validator=optional(_amount))
    #: Gigabytes.
    memory: float | None = attrs.field(default=None, validator=optional(_amount))
    runtime: str | None = attrs.field(default=None, validator=optional(_runtime))
    function_path: str = attrs.field(default=HANDLER, validator=_function_path)
    index_url: Secret | None = attrs.field(default=None, converter=_address_or_none)
    extra_index_urls: tuple[Secret, ...] = attrs.field(default=None, converter=_addresses)

    def check_limits(self, limits: FunctionLimits) -> None:
        """Check the limits of the project's cloud.

        Raises:
            InvalidArgument: An amount is outside of its limits, or the cloud does not have the runtime.
        """
        for field, value, allowed in (("cpu", self.cpu, limits.cpu_cores), ("memory", self.memory, limits.memory_gb)):
            if value is not None and allowed is not None and not allowed.min <= value <= allowed.max:
                raise InvalidArgument(f"{field} is {value:g}; this cloud allows {allowed.min:g} to {allowed.max:g}")
        if self.runtime is not None and limits.runtimes and self.runtime not in limits.runtimes:
            raise InvalidArgument(f"runtime is {self.runtime!r}; this cloud has {', '.join(limits.runtimes)}")

    def item(self, file_id: int) -> dict[str, Any]:
        """Return the item of the request, with the id of the code's file; secrets are `Secret` values."""
        given = {field.name: getattr(self, field.name) for field in attrs.fields(type(self))}
        return {"fileId": file_id} | {camel(name): value for name, value in given.items() if value}

    def matches(self, function: Function, limits: FunctionLimits) -> bool:
        """Return whether a deployed function has these properties, by the fields that the service shows.

        A function with secrets or package indexes never matches: the service does not show their values.
        """
        if self.secrets or function.secrets or self.index_url or self.extra_index_urls:
            return False
        return (
            function.status is not FunctionStatus.Failed
            and all(getattr(self, name) == getattr(function, name) for name in _COMPARED)
            and self.function_path == (function.function_path or HANDLER)
            and self.runtime in {None, function.runtime}
            and _same_amount(self.cpu, limits.cpu_cores, function.cpu)
            and _same_amount(self.memory, limits.memory_gb, function.memory)
        )

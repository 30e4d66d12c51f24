"""Files: the constraints, and the requests that upload and download contents."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

import attrs
from attrs.validators import optional

from aiocdf._wire.arguments import check_text
from aiocdf._wire.converter import camel
from aiocdf._wire.fields import TextMap
from aiocdf._wire.http import StorageRequest
from aiocdf._wire.identifiers import check_id
from aiocdf.config import is_loopback
from aiocdf.errors import DecodeError, InvalidArgument, InvalidType
from aiocdf.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["FileSpec", "check_content", "storage_request"]

METADATA = TextMap(most=256, key_length=128, value_length=10_240, total_bytes=10_240)
#: The maximum number of bytes of one upload.
MAX_CONTENT = 5_000_000_000
# The minimum number of characters of a key in an address; shorter parts are words.
_SHORTEST_KEY = 12
# The time limit of a transfer: a base in seconds, and more for each byte at the speed of a slow line.
_LEAST_SECONDS, _BYTES_A_SECOND = 60.0, 100_000


def _text(most: int) -> Any:
    return optional(lambda _, field, value: check_text(value, field.name, longest=most))


@attrs.frozen(kw_only=True)
class FileSpec:
    """The properties of a file to create, without its content.

    Raises:
        InvalidType: A field is of the wrong type.
        InvalidArgument: A field violates a constraint of the service.
    """

    name: str = attrs.field(validator=lambda _, field, value: check_text(value, field.name, longest=256))
    external_id: str | None = attrs.field(default=None, validator=_text(255))
    mime_type: str | None = attrs.field(default=None, validator=_text(256))
    data_set_id: int | None = attrs.field(
        default=None, validator=optional(lambda _, __, value: check_id(value, "data set"))
    )
    metadata: Mapping[str, str] | None = attrs.field(
        default=None, validator=optional(lambda _, field, value: METADATA.check(value, field.name))
    )

    def body(self) -> dict[str, Any]:
        """Return the body of the request."""
        given = {field.name: getattr(self, field.name) for field in attrs.fields(type(self))}
        return {camel(name): value for name, value in given.items() if value is not None}


def check_content(content: object) -> bytes:
    """Return the content of a file.

    Raises:
        InvalidType: It is not bytes.
        InvalidArgument: It is too large for one upload.
    """
    if not isinstance(content, bytes):
        raise InvalidType(f"content must be bytes, not {type(content).__name__}")
    if len(content) > MAX_CONTENT:
        raise InvalidArgument(f"content has {len(content):,} bytes; one upload takes at most {MAX_CONTENT:,}")
    return content


def storage_request(
    name: str,
    method: str,
    url: Secret,
    *,
    base_url: str,
    content: bytes | None = None,
    mime_type: str | None = None,
) -> StorageRequest:
    """Build the request that uploads or downloads a file's content.

    Args:
        name: The request's name in messages.
        method: PUT or GET.
        url: The address from the service; without a host, it is relative to *base_url*.
        base_url: The service's address.
        content: The content to upload; None to download.
        mime_type: The content's type; None for application/octet-stream.

    Raises:
        DecodeError: The address is neither https nor on this computer.
    """
    headers = {"accept": "*/*"}
    if content is not None:
        headers["content-type"] = mime_type or "application/octet-stream"
    address = _usable(urljoin(base_url, url.reveal()))
    if address is None:
        raise DecodeError(f"{name}: the service answered with an address that is not https")
    return StorageRequest(
        name=name,
        method=method,
        url=address,
        headers=headers,
        body=content,
        timeout=_LEAST_SECONDS + len(content or b"") / _BYTES_A_SECOND,
        secrets=_keys(address),
    )


def _keys(address: str) -> tuple[Secret, ...]:
    """Return the parts of an address that may be keys: not the host, and not numbers, which are ids and times."""
    parts = urlsplit(address)
    words = re.split(r"[/?&=]", f"{parts.path}?{parts.query}")
    return tuple(Secret(word) for word in words if not word.isdigit() and len(word) >= _SHORTEST_KEY)


def _usable(address: str) -> str | None:
    """Return an address if the connection is encrypted or stays on this computer; None otherwise."""
    parts = urlsplit(address)
    on_this_computer = parts.scheme == "http" and is_loopback(parts.hostname or "")
    return address if parts.scheme == "https" or on_this_computer else None

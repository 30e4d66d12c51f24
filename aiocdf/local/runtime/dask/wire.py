"""Functions and calls as text, to send to the workers of a cluster."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import attrs

from aiocdf.local.runtime.deployment import Deployment
from aiocdf.local.runtime.invocation import Invocation
from aiocdf.secret import Secret

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Sealed", "open_deployment", "open_invocation", "seal_deployment", "seal_invocation"]

_NEEDED = (
    "external_id",
    "name",
    "fingerprint",
    "function_path",
    "secrets",
    "env_vars",
    "timeout",
    "cpu",
    "memory",
    "runtime",
    "index_url",
    "extra_index_urls",
    "takes_client",
)


@attrs.frozen
class Sealed:
    """Text with secrets. It can be pickled, unlike `Secret`. `repr` does not show it, because Dask logs arguments."""

    text: str = attrs.field(repr=False)


def seal_deployment(deployment: Deployment) -> Sealed:
    """Return the settings of a function that a worker needs in addition to the code."""
    return Sealed(json.dumps({name: _plain(getattr(deployment, name)) for name in _NEEDED}))


def open_deployment(sealed: Sealed, folder: Path) -> Deployment:
    """Return the function that `seal_deployment` made into text.

    Args:
        sealed: The value that `seal_deployment` returned.
        folder: The folder with the function's code on this machine.
    """
    known = json.loads(sealed.text)
    known["secrets"] = {name: Secret(text) for name, text in known["secrets"].items()}
    known["index_url"] = known["index_url"] and Secret(known["index_url"])
    known["extra_index_urls"] = tuple(map(Secret, known["extra_index_urls"]))
    return Deployment(path=folder, **known)


def seal_invocation(invocation: Invocation) -> Sealed:
    """Return a call as text."""
    return Sealed(
        json.dumps({field.name: _plain(getattr(invocation, field.name)) for field in attrs.fields(Invocation)})
    )


def open_invocation(sealed: Sealed) -> Invocation:
    """Return the call that `seal_invocation` made into text."""
    known = json.loads(sealed.text)
    return Invocation(**{**known, "token": Secret(known["token"])})


def _plain(value: Any) -> Any:
    """Return a value with its secrets revealed. The caller sends it immediately."""
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, tuple):
        return list(map(_plain, value))
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return value

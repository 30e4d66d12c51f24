"""A local server that speaks the HTTP of Cognite Functions and really runs `handle()`."""

from __future__ import annotations

from aiocdf.local.faults.fault import Fault, Faults
from aiocdf.local.server import LocalServer, serve
from aiocdf.local.state.limits import Limits
from aiocdf.local.state.records import OAuthClient, User

__all__ = ["Fault", "Faults", "Limits", "LocalServer", "OAuthClient", "User", "serve"]


def __dir__() -> list[str]:
    return __all__

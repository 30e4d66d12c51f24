"""A local server with the HTTP API of Cognite Functions. It runs `handle()` in real processes."""

from __future__ import annotations

import sys

from aiocdf.errors import ConfigError

if sys.platform == "win32":
    raise ConfigError(
        "the local server does not run on Windows, because it forks processes: use WSL or another machine"
    )

from aiocdf.local.faults.fault import Fault, Faults
from aiocdf.local.server import LocalServer, serve
from aiocdf.local.state.limits import Limits
from aiocdf.local.state.records import OAuthClient, User

__all__ = ["Fault", "Faults", "Limits", "LocalServer", "OAuthClient", "User", "serve"]


def __dir__() -> list[str]:
    return __all__

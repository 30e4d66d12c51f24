"""Turns calls to Cognite Functions into asyncio futures.

```python
import asyncio, aiocdf

async with aiocdf.Client.from_env() as client:
    call = await client.call(1, data={"x": 2})
    value = await client.call("double", data={"x": 2}).response()
```

Without an account, `aiocdf serve DIR` runs the functions in a folder behind the service's HTTP API.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aiocdf._listing import Listing
    from aiocdf._progress import progress
    from aiocdf._run import run
    from aiocdf.auth import (
        AccessToken,
        AuthorizationCode,
        BearerToken,
        ClientCredentials,
        DeviceCode,
        DevicePrompt,
        FileTokenStore,
        KeyringTokenStore,
        MemoryTokenStore,
        TokenStore,
    )
    from aiocdf.bound_function import BoundFunction
    from aiocdf.client import Client
    from aiocdf.config import Polling, Retry, Retrying, Settings
    from aiocdf.errors import (
        AiocdfError,
        ApiError,
        AuthError,
        BadRequest,
        CallError,
        CallFailed,
        CallLost,
        CallTimedOut,
        ClientClosed,
        ConfigError,
        Conflict,
        ConnectError,
        DecodeError,
        FunctionNotReady,
        InvalidArgument,
        InvalidType,
        LoginRequired,
        NotFound,
        OAuthError,
        PermissionDenied,
        ProtocolError,
        RateLimited,
        ReplacementFailed,
        SecretInDataWarning,
        ServerError,
        SubmissionUncertain,
        TransportError,
        TransportTimeout,
        Unauthorized,
        UsageError,
        WaitExpired,
        WrongState,
    )
    from aiocdf.handle import CallHandle
    from aiocdf.models import (
        CallRef,
        CallStatus,
        Capability,
        CodePackage,
        File,
        Function,
        FunctionCall,
        FunctionError,
        FunctionLimits,
        FunctionOptions,
        FunctionSchedule,
        FunctionsStatus,
        FunctionStatus,
        ItemList,
        KeptSchedule,
        LogEntry,
        Pause,
        Session,
        SessionStatus,
        SessionType,
        Stats,
        TokenInspection,
        TokenProject,
    )
    from aiocdf.secret import Secret
    from aiocdf.telemetry import (
        CallAccepted,
        CallAttached,
        CallEnded,
        CallMoved,
        CallPosted,
        CallQueued,
        CallsPaused,
        CallsPolled,
        CallsResumed,
        CallsThrottled,
        Event,
        Observer,
        RequestDone,
    )

__all__ = [
    "AccessToken",
    "AiocdfError",
    "ApiError",
    "AuthError",
    "AuthorizationCode",
    "BadRequest",
    "BearerToken",
    "BoundFunction",
    "CallAccepted",
    "CallAttached",
    "CallEnded",
    "CallError",
    "CallFailed",
    "CallHandle",
    "CallLost",
    "CallMoved",
    "CallPosted",
    "CallQueued",
    "CallRef",
    "CallStatus",
    "CallTimedOut",
    "CallsPaused",
    "CallsPolled",
    "CallsResumed",
    "CallsThrottled",
    "Capability",
    "Client",
    "ClientClosed",
    "ClientCredentials",
    "CodePackage",
    "ConfigError",
    "Conflict",
    "ConnectError",
    "DecodeError",
    "DeviceCode",
    "DevicePrompt",
    "Event",
    "File",
    "FileTokenStore",
    "Function",
    "FunctionCall",
    "FunctionError",
    "FunctionLimits",
    "FunctionNotReady",
    "FunctionOptions",
    "FunctionSchedule",
    "FunctionStatus",
    "FunctionsStatus",
    "InvalidArgument",
    "InvalidType",
    "ItemList",
    "KeptSchedule",
    "KeyringTokenStore",
    "Listing",
    "LogEntry",
    "LoginRequired",
    "MemoryTokenStore",
    "NotFound",
    "OAuthError",
    "Observer",
    "Pause",
    "PermissionDenied",
    "Polling",
    "ProtocolError",
    "RateLimited",
    "ReplacementFailed",
    "RequestDone",
    "Retry",
    "Retrying",
    "Secret",
    "SecretInDataWarning",
    "ServerError",
    "Session",
    "SessionStatus",
    "SessionType",
    "Settings",
    "Stats",
    "SubmissionUncertain",
    "TokenInspection",
    "TokenProject",
    "TokenStore",
    "TransportError",
    "TransportTimeout",
    "Unauthorized",
    "UsageError",
    "WaitExpired",
    "WrongState",
    "__version__",
    "progress",
    "run",
]

# The modules that define the public names. Those that import fast come first.
_HOMES = (
    "errors",
    "models",
    "secret",
    "config",
    "telemetry",
    "_listing",
    "_progress",
    "handle",
    "bound_function",
    "_progress",
    "auth",
    "client",
    "_run",
)

if TYPE_CHECKING:
    __version__: str
else:  # with `__getattr__`, type checkers would accept any name

    def __getattr__(name: str) -> Any:
        """Import a public name when a program first uses it: the start of `aiocdf --help` needs none of them."""
        if name in _HOMES:
            return import_module(f"{__name__}.{name}")
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        if name == "__version__":
            return import_module("importlib.metadata").version(__name__)
        homes = (import_module(f"{__name__}.{home}") for home in _HOMES)
        value = next(getattr(home, name) for home in homes if name in home.__all__)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    """Return the public names, including those that are not imported yet."""
    return list(__all__)

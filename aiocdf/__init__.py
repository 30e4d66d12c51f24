"""Calls of Cognite Functions as asyncio futures.

```python
import asyncio, aiocdf

async with aiocdf.Client.from_env() as client:
    call = await client.call(1, data={"x": 2})
    value = await client.call("double", data={"x": 2}).response()
```

Without an account, `aiocdf serve DIR` runs the functions below a folder and speaks the service's own HTTP.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiocdf._listing import Listing
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
    Function,
    FunctionCall,
    FunctionError,
    FunctionLimits,
    FunctionSchedule,
    FunctionStatus,
    ItemList,
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
    CallEnded,
    CallQueued,
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
    "CallEnded",
    "CallError",
    "CallFailed",
    "CallHandle",
    "CallLost",
    "CallQueued",
    "CallRef",
    "CallStatus",
    "CallTimedOut",
    "CallsThrottled",
    "Capability",
    "Client",
    "ClientClosed",
    "ClientCredentials",
    "ConfigError",
    "Conflict",
    "ConnectError",
    "DecodeError",
    "DeviceCode",
    "DevicePrompt",
    "Event",
    "FileTokenStore",
    "Function",
    "FunctionCall",
    "FunctionError",
    "FunctionLimits",
    "FunctionNotReady",
    "FunctionSchedule",
    "FunctionStatus",
    "InvalidArgument",
    "InvalidType",
    "ItemList",
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
]

if TYPE_CHECKING:
    __version__: str
else:

    def __getattr__(name: str) -> str:
        """Look up the version when it is read: importing importlib.metadata would slow down every import of aiocdf."""
        if name != "__version__":
            raise AttributeError(f"module 'aiocdf' has no attribute {name!r}")
        import importlib.metadata

        return importlib.metadata.version("aiocdf")

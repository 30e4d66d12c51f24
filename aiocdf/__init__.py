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

from aiocdf.auth import BearerToken, ClientCredentials
from aiocdf.bound_function import BoundFunction
from aiocdf.client import Client
from aiocdf.config import Polling, Retrying, Settings
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
from aiocdf.handle import CallHandle, CallRef
from aiocdf.models import (
    CallStatus,
    Function,
    FunctionCall,
    FunctionError,
    FunctionLimits,
    FunctionStatus,
    LogEntry,
    Session,
    SessionStatus,
    SessionType,
    Stats,
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
    "AiocdfError",
    "ApiError",
    "AuthError",
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
    "Client",
    "ClientClosed",
    "ClientCredentials",
    "ConfigError",
    "Conflict",
    "ConnectError",
    "DecodeError",
    "Event",
    "Function",
    "FunctionCall",
    "FunctionError",
    "FunctionLimits",
    "FunctionNotReady",
    "FunctionStatus",
    "InvalidArgument",
    "InvalidType",
    "LogEntry",
    "LoginRequired",
    "NotFound",
    "OAuthError",
    "Observer",
    "PermissionDenied",
    "Polling",
    "ProtocolError",
    "RateLimited",
    "RequestDone",
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
    "TransportError",
    "TransportTimeout",
    "Unauthorized",
    "UsageError",
    "WaitExpired",
    "WrongState",
]

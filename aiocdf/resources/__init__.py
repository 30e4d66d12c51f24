"""The service's resources, with one short method per endpoint.

The docstrings list the errors that are specific to a method. Every method may also raise `UsageError` before a request is
sent, and `AuthError`, `TransportError`, `ApiError`, `DecodeError` or `ClientClosed`.
"""

from __future__ import annotations

from aiocdf.resources.calls import Calls
from aiocdf.resources.files import Files
from aiocdf.resources.functions import Functions
from aiocdf.resources.schedules import Schedules
from aiocdf.resources.sessions import Sessions
from aiocdf.resources.tokens import Tokens

__all__ = ["Calls", "Files", "Functions", "Schedules", "Sessions", "Tokens"]

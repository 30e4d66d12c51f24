"""The values that users see: what the service says, as frozen attrs classes without behaviour that does I/O."""

from __future__ import annotations

from aiocdf.models.call_ref import CallRef
from aiocdf.models.calls import CallStatus, FunctionCall, LogEntry
from aiocdf.models.functions import Function, FunctionError, FunctionLimits, FunctionStatus, Range
from aiocdf.models.html import ItemList
from aiocdf.models.schedules import FunctionSchedule
from aiocdf.models.sessions import Session, SessionStatus, SessionType
from aiocdf.models.stats import Pause, Stats
from aiocdf.models.tokens import Capability, TokenInspection, TokenProject

__all__ = [
    "CallRef",
    "CallStatus",
    "Capability",
    "Function",
    "FunctionCall",
    "FunctionError",
    "FunctionLimits",
    "FunctionSchedule",
    "FunctionStatus",
    "ItemList",
    "LogEntry",
    "Pause",
    "Range",
    "Session",
    "SessionStatus",
    "SessionType",
    "Stats",
    "TokenInspection",
    "TokenProject",
]

"""The values that users see: what the service says, as frozen attrs classes without behaviour that does I/O."""

from __future__ import annotations

from aiocdf.models.call_ref import CallRef
from aiocdf.models.calls import CallStatus, FunctionCall, LogEntry
from aiocdf.models.code_package import CodePackage
from aiocdf.models.files import File
from aiocdf.models.function_options import FunctionOptions
from aiocdf.models.functions import Function, FunctionError, FunctionLimits, FunctionsStatus, FunctionStatus, Range
from aiocdf.models.html import ItemList
from aiocdf.models.kept_schedule import KeptSchedule
from aiocdf.models.schedules import FunctionSchedule
from aiocdf.models.sessions import Session, SessionStatus, SessionType
from aiocdf.models.stats import Pause, Stats
from aiocdf.models.tokens import Capability, TokenInspection, TokenProject

__all__ = [
    "CallRef",
    "CallStatus",
    "Capability",
    "CodePackage",
    "File",
    "Function",
    "FunctionCall",
    "FunctionError",
    "FunctionLimits",
    "FunctionOptions",
    "FunctionSchedule",
    "FunctionStatus",
    "FunctionsStatus",
    "ItemList",
    "KeptSchedule",
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

"""The service's resources: one short method an endpoint."""

from __future__ import annotations

from aiocdf.resources.calls import Calls
from aiocdf.resources.files import Files
from aiocdf.resources.functions import Functions
from aiocdf.resources.schedules import Schedules
from aiocdf.resources.sessions import Sessions
from aiocdf.resources.tokens import Tokens

__all__ = ["Calls", "Files", "Functions", "Schedules", "Sessions", "Tokens"]

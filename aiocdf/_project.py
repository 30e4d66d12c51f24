"""The client's resources, for single requests."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiocdf._assembly import Opened
    from aiocdf.resources import Calls, Files, Functions, Schedules, Sessions, Tokens

__all__ = ["Project"]


class Project(ABC):
    """The resources of a project."""

    @property
    def functions(self) -> Functions:
        """The project's functions."""
        return self._ready().resources.functions

    @property
    def files(self) -> Files:
        """The project's files, for the code of functions."""
        return self._ready().resources.files

    @property
    def calls(self) -> Calls:
        """The calls of functions, as the service describes them; to track a call, use `call` or `attach`."""
        return self._ready().resources.calls

    @property
    def schedules(self) -> Schedules:
        """The schedules by which the service calls functions."""
        return self._ready().resources.schedules

    @property
    def sessions(self) -> Sessions:
        """The sessions that let functions act as their callers."""
        return self._ready().resources.sessions

    @property
    def tokens(self) -> Tokens:
        """The service's description of the client's access token."""
        return self._ready().resources.tokens

    @abstractmethod
    def _ready(self) -> Opened:
        """Return the open parts, or raise because there are none."""

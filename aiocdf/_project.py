"""The requests that a client offers one by one, beside calls."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiocdf._assembly import Opened
    from aiocdf.resources import Calls, Files, Functions, Schedules, Sessions, Tokens

__all__ = ["Project"]


class Project(ABC):
    """What can be requested of a project."""

    @property
    def functions(self) -> Functions:
        """The project's functions."""
        return self._ready().resources.functions

    @property
    def files(self) -> Files:
        """The project's files, as far as functions need them."""
        return self._ready().resources.files

    @property
    def calls(self) -> Calls:
        """The calls of functions, as the service describes them; `call` and `attach` are the way to follow one."""
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
        """What the service says of the client's own access token."""
        return self._ready().resources.tokens

    @abstractmethod
    def _ready(self) -> Opened:
        """Return what is open, or raise because nothing is."""

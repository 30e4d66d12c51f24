"""A local server that speaks the HTTP of Cognite Functions and really runs `handle()`."""

from __future__ import annotations

from aiocdf.local.limits import Limits
from aiocdf.local.records import OAuthClient, User
from aiocdf.local.server import LocalServer, serve

__all__ = ["Limits", "LocalServer", "OAuthClient", "User", "serve"]

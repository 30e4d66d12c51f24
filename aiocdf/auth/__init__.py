"""Credentials, and the token source that turns them into access tokens."""

from __future__ import annotations

from aiocdf.auth.bearer import BearerToken
from aiocdf.auth.client_credentials import ClientCredentials
from aiocdf.auth.credentials import Credentials
from aiocdf.auth.environment import credentials_from
from aiocdf.auth.source import TokenSource
from aiocdf.auth.token import AccessToken

__all__ = ["AccessToken", "BearerToken", "ClientCredentials", "Credentials", "TokenSource", "credentials_from"]

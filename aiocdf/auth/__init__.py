"""Credentials, where sign-ins are kept, and the token source that turns all of it into access tokens."""

from __future__ import annotations

from aiocdf.auth.authorization_code import AuthorizationCode
from aiocdf.auth.bearer import BearerToken
from aiocdf.auth.client_credentials import ClientCredentials
from aiocdf.auth.credentials import Credentials
from aiocdf.auth.device_code import DeviceCode
from aiocdf.auth.environment import credentials_from
from aiocdf.auth.file_store import FileTokenStore
from aiocdf.auth.keyring_store import KeyringTokenStore
from aiocdf.auth.prompt import DevicePrompt
from aiocdf.auth.session_grants import session_grants
from aiocdf.auth.source import TokenSource
from aiocdf.auth.token import AccessToken
from aiocdf.auth.token_store import MemoryTokenStore, TokenStore
from aiocdf.auth.user_credentials import UserCredentials

__all__ = [
    "AccessToken",
    "AuthorizationCode",
    "BearerToken",
    "ClientCredentials",
    "Credentials",
    "DeviceCode",
    "DevicePrompt",
    "FileTokenStore",
    "KeyringTokenStore",
    "MemoryTokenStore",
    "TokenSource",
    "TokenStore",
    "UserCredentials",
    "credentials_from",
    "session_grants",
]

"""Credentials, the token stores that keep sign-ins, and the token source that hands out access tokens."""

from __future__ import annotations

from aiocdf.auth.credentials.authorization_code import AuthorizationCode
from aiocdf.auth.credentials.bearer import BearerToken
from aiocdf.auth.credentials.client_credentials import ClientCredentials
from aiocdf.auth.credentials.device_code import DeviceCode
from aiocdf.auth.credentials.from_environment import credentials_from
from aiocdf.auth.credentials.protocol import Credentials
from aiocdf.auth.credentials.session_requests import lasting_grant, session_requests
from aiocdf.auth.credentials.user_credentials import UserCredentials
from aiocdf.auth.oauth.prompt import DevicePrompt
from aiocdf.auth.oauth.token import AccessToken
from aiocdf.auth.source import TokenSource
from aiocdf.auth.store.base import MemoryTokenStore, TokenStore
from aiocdf.auth.store.file import FileTokenStore
from aiocdf.auth.store.keyring import KeyringTokenStore

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
    "lasting_grant",
    "session_requests",
]

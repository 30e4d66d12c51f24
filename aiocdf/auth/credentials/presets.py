"""Public addresses and client ids of the identity providers that Cognite's customers use."""

from __future__ import annotations

from urllib.parse import quote

from aiocdf.auth.credentials.validation import is_text
from aiocdf.auth.oauth.provider import Provider
from aiocdf.errors import ConfigError

__all__ = [
    "COGNITE_ISSUER",
    "COGNITE_TOKEN_URL",
    "ENTRA_DEVICE_CLIENT",
    "OPEN_INDUSTRIAL_DATA",
    "entra_authority",
    "entra_urls",
]

COGNITE_ISSUER = "https://auth.cognite.com"
COGNITE_TOKEN_URL = f"{COGNITE_ISSUER}/oauth2/token"

#: The application that Cognite's own tools use for sign-ins with a device code.
ENTRA_DEVICE_CLIENT = "fb9d503b-ac25-44c7-a75d-8fbcd3a206bd"

#: Tenant, client and cluster of the Open Industrial Data project; each user gets a secret at its web page.
OPEN_INDUSTRIAL_DATA = {
    "tenant": "48d5043c-cf70-4c49-881c-c638f5796997",
    "client_id": "1b90ede3-271e-401b-81a0-a4d52bea3273",
    "cluster": "api",
}


def entra_authority(tenant: str) -> str:
    """Return the address of a directory in Microsoft Entra ID.

    Raises:
        ConfigError: The tenant is empty or not text.
    """
    if not is_text(tenant):
        raise ConfigError(
            "tenant is empty or not text. Give the id or the domain of a directory in Microsoft Entra ID."
        )
    return f"https://login.microsoftonline.com/{quote(tenant, safe='')}"


def entra_urls(authority: str) -> Provider:
    """Return the addresses within a directory in Microsoft Entra ID."""
    base = f"{authority.rstrip('/')}/oauth2/v2.0"
    return Provider(token_url=f"{base}/token", authorize_url=f"{base}/authorize", device_url=f"{base}/devicecode")

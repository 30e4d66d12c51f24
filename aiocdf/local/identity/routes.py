"""The routes of the local identity provider."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiocdf.local.identity.authorize import AuthorizationEndpoint
from aiocdf.local.identity.codes import CodeRegistry
from aiocdf.local.identity.device_authorization import DeviceEndpoints
from aiocdf.local.identity.devices import DeviceRegistry
from aiocdf.local.identity.discovery import DiscoveryEndpoints
from aiocdf.local.identity.grants import GrantHandlers
from aiocdf.local.identity.id_tokens import Signer
from aiocdf.local.identity.tokens import TokenEndpoints

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiocdf.local.http.application import Route
    from aiocdf.local.identity.issuer import Issuer
    from aiocdf.local.state.limits import Limits

__all__ = ["provider_routes"]


def provider_routes(issuer: Issuer, limits: Limits, *, project: str, url: str) -> Iterable[Route]:
    """Return the endpoints of the identity provider.

    Args:
        issuer: Issues tokens to its clients and users.
        limits: The lifetimes of tokens and codes.
        project: The name of the project.
        url: The URL of the server, which is also the name of the provider.
    """
    codes, devices, signer = CodeRegistry(), DeviceRegistry(), Signer(url)
    grants = GrantHandlers(issuer=issuer, codes=codes, devices=devices, signer=signer, limits=limits, url=url)
    yield from DiscoveryEndpoints(url, signer).routes()
    yield from AuthorizationEndpoint(issuer=issuer, codes=codes, limits=limits, project=project, url=url).routes()
    yield from DeviceEndpoints(issuer=issuer, devices=devices, limits=limits, project=project, url=url).routes()
    yield from TokenEndpoints(issuer=issuer, grants=grants, project=project).routes()

"""What an access token allows (API: Token)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

__all__ = ["Capability", "TokenInspection", "TokenProject"]


@attrs.frozen(kw_only=True)
class TokenProject:
    """A project that a token gives access to, and the ids of the groups there that grant its capabilities."""

    project_url_name: str
    groups: tuple[int, ...] = ()
    extra: Mapping[str, Any] = attrs.field(factory=dict, repr=False)


@attrs.frozen(kw_only=True)
class Capability:
    """What a token allows for one kind of resource."""

    #: The access control list of the kind, such as "functionsAcl".
    acl: str
    #: The allowed actions, such as "READ".
    actions: tuple[str, ...]
    #: Which resources the actions are limited to.
    scope: Mapping[str, Any] = attrs.field(factory=dict)
    #: In which projects; None for all that the token gives access to.
    projects: tuple[str, ...] | None = None


@attrs.frozen(kw_only=True)
class TokenInspection:
    """What the service knows about an access token."""

    #: The user or client that the token was issued to, as named by the identity provider.
    subject: str
    projects: tuple[TokenProject, ...] = ()
    capabilities: tuple[Capability, ...] = ()
    extra: Mapping[str, Any] = attrs.field(factory=dict, repr=False)

    def allows(self, capability: str, project: str) -> bool:
        """Return whether the token allows an action in a project, even if only for some of its resources.

        Args:
            capability: The capability as errors name it, such as "functionsAcl:RUN".
            project: The project's name.
        """
        acl, _, action = capability.partition(":")
        return any(opened.project_url_name == project for opened in self.projects) and any(
            held.acl == acl and action in held.actions and (held.projects is None or project in held.projects)
            for held in self.capabilities
        )

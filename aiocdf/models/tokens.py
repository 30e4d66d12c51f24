"""What an access token allows (API: Token)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

__all__ = ["Capability", "TokenInspection", "TokenProject"]


@attrs.frozen(kw_only=True)
class TokenProject:
    """A project that a token opens, and the ids of the groups there that give it its rights."""

    project_url_name: str
    groups: tuple[int, ...] = ()
    extra: Mapping[str, Any] = attrs.field(factory=dict, repr=False)


@attrs.frozen(kw_only=True)
class Capability:
    """What a token allows with things of one kind."""

    #: The kind, such as "functionsAcl".
    acl: str
    #: Such as "READ".
    actions: tuple[str, ...]
    #: With which of the things.
    scope: Mapping[str, Any] = attrs.field(factory=dict)
    #: In which projects; None for all that the token opens.
    projects: tuple[str, ...] | None = None


@attrs.frozen(kw_only=True)
class TokenInspection:
    """What the service knows of an access token."""

    #: Who it acts as, in the identity provider's words.
    subject: str
    projects: tuple[TokenProject, ...] = ()
    capabilities: tuple[Capability, ...] = ()
    extra: Mapping[str, Any] = attrs.field(factory=dict, repr=False)

    def allows(self, capability: str, project: str) -> bool:
        """Tell whether the token allows something in a project, if only with some of its things.

        Args:
            capability: As errors name it, such as "functionsAcl:RUN".
            project: The project's name.
        """
        acl, _, action = capability.partition(":")
        return any(opened.project_url_name == project for opened in self.projects) and any(
            held.acl == acl and action in held.actions and (held.projects is None or project in held.projects)
            for held in self.capabilities
        )

"""The identity of a client, until when it is valid, and whether it can call functions."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.table import Table

from aiocdf import _clock

if TYPE_CHECKING:
    from rich.console import Console

    from aiocdf.auth import AccessToken
    from aiocdf.client import Client
    from aiocdf.models.tokens import Capability, TokenInspection

__all__ = ["expiry", "show_identity", "verdict"]

# To create a session for a call, to start the call, and to read its status.
_NEEDED = ("sessionsAcl:CREATE", "functionsAcl:RUN", "functionsAcl:READ")


async def show_identity(console: Console, client: Client) -> None:
    """Show what the service knows about a client's token.

    Args:
        console: The console to write to.
        client: An open client.

    Raises:
        AuthError: The client could not get a token.
        ApiError: The service rejects the token.
    """
    token = await client.login()
    known = await client.tokens.inspect()
    facts = Table.grid(padding=(0, 3, 0, 0))
    facts.add_row("subject", known.subject)
    facts.add_row("project", f"{client.project} at {client.base_url}")
    facts.add_row("token", expiry(token, now=_clock.wall()))
    console.print(facts)
    console.print()
    console.print(_capabilities(known, client.project))
    console.print()
    console.print(verdict(known, client.project))


def expiry(token: AccessToken, *, now: float) -> str:
    """Return text that says how long a token is valid.

    Args:
        token: The token.
        now: The time now, in seconds since 1970.
    """
    if math.isinf(token.life):
        return "has no known expiry time"
    end = token.asked_at_wall + token.life
    left = max(end - now, 0.0)
    span = f"{left:.0f} s" if left < 120 else f"{left / 60:.0f} min"
    shown = datetime.fromtimestamp(end, tz=UTC).astimezone()
    renewed = "and is renewed without a new sign-in" if token.refresh_token else ""
    return f"expires in {span}, at {shown:%H:%M:%S}{renewed}"


def verdict(known: TokenInspection, project: str) -> str:
    """Return text that says whether functions can be called, and if not, what is missing.

    Args:
        known: What the service knows about the token.
        project: The project with the functions.
    """
    projects = [opened.project_url_name for opened in known.projects]
    if project not in projects:
        return f"Calls will fail: the token gives no access to project {project}. It gives access to: {', '.join(projects) or 'none'}."
    missing = [capability for capability in _NEEDED if not known.allows(capability, project)]
    if not missing:
        return "You can call functions."
    return (
        f"Calls will fail: {' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing. Ask an administrator"
        f" of project {project} to add {'it' if len(missing) == 1 else 'them'} to one of your groups."
    )


def _capabilities(known: TokenInspection, project: str) -> Table:
    table = Table("capability", "actions", "scope", box=None, padding=(0, 3, 0, 0))
    for held in known.capabilities:
        if held.projects is None or project in held.projects:
            table.add_row(held.acl, ", ".join(held.actions), _scope(held))
    return table


def _scope(held: Capability) -> str:
    return ", ".join(held.scope) or "all"

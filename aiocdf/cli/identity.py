"""Who a client acts as, for how long, and whether that is enough to call functions."""

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

# To make a session for a call, to start the call, and to ask how it is getting on.
_NEEDED = ("sessionsAcl:CREATE", "functionsAcl:RUN", "functionsAcl:READ")


async def show_identity(console: Console, client: Client) -> None:
    """Show what the service knows of a client's token.

    Args:
        console: Where.
        client: An open client.

    Raises:
        AuthError: There is no token to be had.
        ApiError: The service does not know the token.
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
    """Say how long a token is good for.

    Args:
        token: The token.
        now: Wall time in seconds.
    """
    if math.isinf(token.life):
        return "does not say when it expires"
    end = token.asked_at_wall + token.life
    left = max(end - now, 0.0)
    span = f"{left:.0f} s" if left < 120 else f"{left / 60:.0f} min"
    shown = datetime.fromtimestamp(end, tz=UTC).astimezone()
    renewed = ", and is renewed without asking you" if token.refresh_token else ""
    return f"expires in {span}, at {shown:%H:%M:%S}{renewed}"


def verdict(known: TokenInspection, project: str) -> str:
    """Say whether functions can be called, and if not, what is missing.

    Args:
        known: What the service knows of the token.
        project: Where they are to be called.
    """
    projects = [opened.project_url_name for opened in known.projects]
    if project not in projects:
        return f"Calling functions will not work: the token does not open project {project}, only {', '.join(projects) or 'none'}."
    missing = [capability for capability in _NEEDED if not known.allows(capability, project)]
    if not missing:
        return "Calling functions will work."
    return (
        f"Calling functions will not work: {' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing. Someone"
        f" who manages access to project {project} can give it to one of your groups."
    )


def _capabilities(known: TokenInspection, project: str) -> Table:
    table = Table("capability", "actions", "scope", box=None, padding=(0, 3, 0, 0))
    for held in known.capabilities:
        if held.projects is None or project in held.projects:
            table.add_row(held.acl, ", ".join(held.actions), _scope(held))
    return table


def _scope(held: Capability) -> str:
    return ", ".join(held.scope) or "all"

"""A process that shares its user's sign-in with others, and uses it through some expiries.

Takes the issuer, the store's folder and how often to renew; says on stderr what went wrong.
"""

from __future__ import annotations

import asyncio
import sys

from aiocdf._http.transport import AiohttpTransport
from aiocdf.auth import AuthorizationCode, FileTokenStore, TokenSource
from aiocdf.errors import AuthError


def ask(url: str) -> None:
    """Be the user, who is not there any more."""
    raise RuntimeError(f"asked to sign in at {url.partition('?')[0]}")


async def main(issuer: str, folder: str, renewals: int) -> None:
    """Use the sign-in until it was renewed so often."""
    credentials = AuthorizationCode(
        issuer=issuer,
        client_id="desktop",
        scopes="read offline_access",
        open_browser=False,
        show_url=ask,
        store=FileTokenStore(folder),
    )
    transport = AiohttpTransport()
    await transport.open()
    source = TokenSource(credentials, transport)
    seen = {await source.token()}
    while len(seen) <= renewals:
        await asyncio.sleep(0.02)
        seen.add(await source.token())
    await source.aclose()
    await transport.aclose()


if __name__ == "__main__":
    try:
        asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
    except (AuthError, RuntimeError) as error:
        sys.exit(repr(error))

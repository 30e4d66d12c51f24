"""What all calls of one client share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from aiocdf.errors import ClientClosed

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from aiocdf._engine.ledger import Ledger
    from aiocdf._engine.records import CallRecord
    from aiocdf._policy.gate import Gate
    from aiocdf._reader import Reader

__all__ = ["Desk", "Shared"]


@attrs.define(eq=False)
class Desk:
    """What records use while their client is open."""

    gate: Gate[CallRecord]
    ledger: Ledger
    reader: Reader
    #: Makes the engine look for calls that may start.
    wake: Callable[[], None]


@attrs.define(eq=False)
class Shared:
    """What all records of a client share: all that a handle keeps alive of a closed client."""

    cluster: str
    project: str
    #: Also used after it has ended: `repr` must work then.
    loop: asyncio.AbstractEventLoop
    desk: Desk | None

    def open_desk(self) -> Desk:
        """Return the desk of the open client.

        Raises:
            ClientClosed: The client was closed.
        """
        if self.desk is None:
            raise ClientClosed("the client of this handle is closed: attach its ref to another client")
        return self.desk

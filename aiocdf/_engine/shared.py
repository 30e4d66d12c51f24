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
    #: Looks at the queue.
    wake: Callable[[], None]


@attrs.define(eq=False)
class Shared:
    """What all records of a client share: a handle that is kept after the client closed holds no more of it."""

    cluster: str
    project: str
    #: Looked at also when it no longer runs: `repr` must work then.
    loop: asyncio.AbstractEventLoop
    desk: Desk | None

    def open_desk(self) -> Desk:
        """Return the desk.

        Raises:
            ClientClosed: The client was closed.
        """
        if self.desk is None:
            raise ClientClosed("the client of this handle is closed: attach to its ref with another client")
        return self.desk

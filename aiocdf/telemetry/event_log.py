"""An observer that writes events to Python's `logging`."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from aiocdf.telemetry.events import Event

__all__ = ["EventLog"]

_WORD = re.compile(r"(?<!^)(?=[A-Z])")


@attrs.define(eq=False)
class EventLog:
    """Logs each event as one record, for handlers that write JSON or key=value lines.

    A record has two attributes more than others: `event`, the event's name in lower case, such as `call_accepted`, and
    `fields`, a dictionary of the event's fields.

    Args:
        logger: Where the records go; by default the logger `aiocdf.events`.
        level: The level of the records.
    """

    logger: logging.Logger = attrs.field(factory=lambda: logging.getLogger("aiocdf.events"))
    level: int = logging.DEBUG

    def __call__(self, event: Event) -> None:
        """Log an event."""
        if not self.logger.isEnabledFor(self.level):
            return
        name = _WORD.sub("_", type(event).__name__).lower()
        fields = {field.name: getattr(event, field.name) for field in attrs.fields(type(event))}
        text = " ".join(f"{key}={value!r}" for key, value in fields.items())
        self.logger.log(self.level, "%s %s", name, text, extra={"event": name, "fields": fields})

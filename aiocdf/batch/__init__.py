"""The durable map: a function called with each input of a file, in a way that survives a crash.

```python
from aiocdf import batch

summary = await batch.map(client, "double", "inputs.jsonl", "results.jsonl")
```

Needs the extra `batch`. Runs on Linux and macOS.
"""

from __future__ import annotations

import sys

from aiocdf.errors import ConfigError

if sys.platform == "win32":
    raise ConfigError("durable maps do not run on Windows, because of how they lock the journal: use WSL")

from aiocdf.batch.journal import Holder
from aiocdf.batch.mapping import map_inputs as map  # noqa: A004 - as `client.map`
from aiocdf.batch.mapping import status
from aiocdf.batch.progress import Progress, Summary
from aiocdf.batch.settings import MapSettings
from aiocdf.batch.statuses import InputStatus

__all__ = ["Holder", "InputStatus", "MapSettings", "Progress", "Summary", "map", "status"]


def __dir__() -> list[str]:
    return __all__

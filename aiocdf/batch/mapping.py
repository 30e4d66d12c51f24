"""The durable map, and the status of one."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from aiocdf import _clock
from aiocdf._wire.identifiers import check_function
from aiocdf.batch.inputs import Source
from aiocdf.batch.journal import Holder, Identity, Journal, holder_of
from aiocdf.batch.pacing import Pacing
from aiocdf.batch.progress import Progress, Speed, Summary, Tally
from aiocdf.batch.results import check_place, write_results
from aiocdf.batch.run import Run
from aiocdf.batch.settings import MapSettings
from aiocdf.errors import InvalidArgument, InvalidType

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from aiocdf.client import Client
    from aiocdf.models.functions import Function

__all__ = ["journal_beside", "map_inputs", "status"]

# Seconds between two looks of the caller's `on_progress`.
_REPORT_EVERY = 0.25


async def map_inputs(
    client: Client,
    function: int | str | Function,
    inputs: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    journal: str | os.PathLike[str] | None = None,
    settings: MapSettings | None = None,
    stop: asyncio.Event | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Summary:
    """Call a function with each input of a file, and write a file of results; continue where an earlier run ended.

    Cancelling it stops at once. The next run continues from the journal, even after a crash.

    Args:
        client: An open client.
        function: An id, an external id, or a `Function`.
        inputs: A file with one JSON object per line, or a CSV file with a header.
        out: The file of results, one JSON object per line. It is replaced as a whole, at the end of the run.
        journal: The file of the journal; None for one next to the results.
        settings: Further settings.
        stop: After it is set, the run starts no more inputs, and waits for the running calls.
        on_progress: Called some times a second with the progress.

    Raises:
        UsageError: The journal is of another run, the inputs have changed since it began, another process uses it, or a
            file is not usable. Nothing was sent.
        AiocdfError: An error that is the same for every input ended the run. The results so far are written.
    """
    if not isinstance(settings, MapSettings | None):
        raise InvalidType(f"settings must be MapSettings(...), not {settings!r}")
    client.stats()  # raises if the client is not open
    name, settings, out, inputs = check_function(function), settings or MapSettings(), Path(out), Path(inputs)
    place = journal_beside(out) if journal is None else Path(journal)
    source = await Source.open(inputs, settings.format)
    await asyncio.to_thread(check_place, out, inputs=inputs, journal=place)
    identity = _identity(client, name, source, settings)
    async with Journal.open_for_run(place, identity, str(inputs), source.total) as opened:
        await _check_identity(opened, identity, source, place)
        run = await _prepare(
            client=client,
            source=source,
            journal=opened,
            identity=identity,
            settings=settings,
            stop=stop or asyncio.Event(),
        )
        await _work(run, on_progress)
        await opened.flush()
        await write_results(opened, out, ordered=settings.ordered)
        if run.fault is not None:
            raise run.fault
        return Summary(identity=identity, total=source.total, counts=await opened.counts())


async def status(journal: str | os.PathLike[str]) -> tuple[Summary, Holder | None]:
    """Return the status of a durable map, and the process that works on it, if any.

    Args:
        journal: The file of its journal.

    Raises:
        InvalidArgument: There is none.
    """
    path = Path(journal)
    async with Journal.open_to_read(path) as opened:
        summary = Summary(identity=opened.identity, total=opened.total, counts=await opened.counts())
    return summary, await asyncio.to_thread(holder_of, path)


def journal_beside(out: Path) -> Path:
    """Return the path of the journal: as given, or next to the results."""
    return out.with_name(f"{out.name}.journal")


def _identity(client: Client, function: int | str, source: Source, settings: MapSettings) -> Identity:
    return Identity(
        function=function,
        project=client.project,
        base_url=client.base_url,
        format=source.format,
        key=settings.key,
        inputs=source.fingerprint,
    )


async def _check_identity(journal: Journal, identity: Identity, source: Source, path: Path) -> None:
    """Refuse a journal that is of something else.

    Raises:
        InvalidArgument: It is; the message says what to do.
    """
    if difference := identity.differs_from(journal.identity):
        raise InvalidArgument(
            f"journal {str(path)!r} does not fit: {difference}. Give another journal and results file."
        )
    if difference := identity.differs_in_inputs(journal.identity):
        if await source.has_grown_from(journal.identity.inputs):
            raise InvalidArgument(
                f"{difference}. The old part is unchanged: put the new lines into a file of their own, with results and "
                f"a journal of their own, and {journal.inputs!r} back as it was."
            )
        raise InvalidArgument(
            f"{difference}. Put {journal.inputs!r} back as it was, or give another journal and results file."
        )


async def _prepare(
    *, client: Client, source: Source, journal: Journal, identity: Identity, settings: MapSettings, stop: asyncio.Event
) -> Run:
    now, counts = _clock.monotonic(), Counter(await journal.counts())
    return Run(
        client=client,
        function=identity.function,
        settings=settings,
        source=source,
        journal=journal,
        tally=Tally(identity=identity, total=source.total, counts=counts, speed=Speed(now), began=now),
        pacing=Pacing(*await journal.recent()),
        stop=stop,
    )


async def _work(run: Run, on_progress: Callable[[Progress], None] | None) -> None:
    if on_progress is None:
        await run.work()
        return

    async def report() -> None:
        while True:
            on_progress(run.tally.progress(_clock.monotonic()))
            await _clock.sleep(_REPORT_EVERY)

    reporting = asyncio.create_task(report())
    try:
        await run.work()
    finally:
        reporting.cancel()
        await asyncio.gather(reporting, return_exceptions=True)
        on_progress(run.tally.progress(_clock.monotonic()))

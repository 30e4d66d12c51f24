"""`aiocdf functions deploy`: deploys a folder as a function."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shlex
from typing import TYPE_CHECKING, Any

import attrs

from aiocdf import _clock
from aiocdf.cli.base.console import open_console, shown_state
from aiocdf.cli.base.output import show_one
from aiocdf.cli.base.running_servers import option_for
from aiocdf.cli.base.secret_source import given_secret
from aiocdf.errors import InvalidArgument, ReplacementFailed, WaitExpired
from aiocdf.local.runtime import function_settings
from aiocdf.models.functions import FunctionStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from rich.console import Console

    from aiocdf.client import Client
    from aiocdf.models.code_package import CodePackage
    from aiocdf.models.functions import Function
    from aiocdf.models.kept_schedule import KeptSchedule
    from aiocdf.secret import Secret

__all__ = ["DeployJob", "named_secrets"]

# The first and the maximum gap between two reads of the status, in seconds.
_FIRST_LOOK, _SLOWEST_LOOK = 0.3, 5.0
# Settings of function.toml that only the local server uses.
_OF_SERVER = {"id", "timeout"}
_FILES_SHOWN = 8


@attrs.frozen(kw_only=True)
class DeployJob:
    """One run of `aiocdf functions deploy`.

    Args:
        folder: The folder with the code. It may have a function.toml.
        name: The function's name; None for the name in function.toml, or else the folder's name.
        external_id: Its external id; None for the folder's name.
        secrets: Its secrets, each given as `NAME=env:VARIABLE` or `NAME=file:PATH`.
        wait: Whether to wait until the function is Ready.
        within: The maximum wait in seconds; None for no limit.
        form: The output format: `table`, `json` or `jsonl`.
    """

    folder: Path
    name: str | None
    external_id: str | None
    secrets: Iterable[str]
    wait: bool
    within: float | None
    form: str

    async def run(self, client: Client) -> None:
        """Deploy the function, and show it.

        Raises:
            UsageError: The code, a setting or an option is not valid. No request was sent.
            FunctionNotReady: The build failed. A note of the error has the end of the build log.
            WaitExpired: The function was not Ready within the time limit.
        """
        notes = open_console(stderr=True)
        external_id = self.folder.resolve().name if self.external_id is None else self.external_id
        options = await asyncio.to_thread(self._options)
        path = options.get("function_path", "handler.py")
        notes.print(_contents(await client.functions.package(self.folder, function_path=path)))
        before = await client.functions.retrieve_many([external_id], ignore_unknown=True)
        named = options.pop("name", external_id)
        name = named if self.name is None else self.name
        with _showing_lost_schedules(notes, external_id, option_for(client.base_url)):
            async with shown_state(notes, lambda: "Uploading"):
                function = await client.functions.create_or_replace(
                    name, external_id=external_id, folder=self.folder, **options
                )
        notes.print(_what_happened(function, before))
        show_one(await self._ready(client, function, notes) if self.wait else function, self.form)

    def _options(self) -> dict[str, Any]:
        """Return the settings from function.toml and from the options."""
        settings = function_settings.load(self.folder)
        options = {key: value for key, value in settings.items() if key not in _OF_SERVER}
        if secrets := options.pop("secrets", {}) | named_secrets(self.secrets):
            options["secrets"] = secrets
        return options

    async def _ready(self, client: Client, function: Function, notes: Console) -> Function:
        """Show the function's status until it is Ready."""
        began_at, gap = _clock.monotonic(), _FIRST_LOOK
        async with shown_state(notes, lambda: f"{function.status}, {_clock.monotonic() - began_at:.0f} s"):
            try:
                async with asyncio.timeout(self.within):
                    while function.status in {FunctionStatus.Queued, FunctionStatus.Deploying}:
                        await _clock.sleep(gap)
                        function, gap = await client.functions.retrieve(function), min(1.5 * gap, _SLOWEST_LOOK)
                    return await client.functions.wait_until_ready(function)
            except TimeoutError:
                raise WaitExpired(
                    f"function {function.id} is not Ready after {self.within:g} s. {_how_to_continue(function, client.base_url)}"
                ) from None
            except asyncio.CancelledError:
                notes.print(f"Stopped waiting. {_how_to_continue(function, client.base_url)}", soft_wrap=True)
                raise


def named_secrets(options: Iterable[str]) -> dict[str, Secret]:
    """Return the secrets that options such as `NAME=env:VARIABLE` refer to.

    Raises:
        InvalidArgument: An option has no name or no source.
        ConfigError: A source does not contain a secret.
    """
    secrets: dict[str, Secret] = {}
    for option in options:
        name, separator, source = option.partition("=")
        if not separator or not name:
            # The message does not repeat the option's value, which may be the secret.
            raise InvalidArgument("--secret must be NAME=env:VARIABLE or NAME=file:PATH")
        secrets[name] = given_secret(source, option=f"--secret {name}")
    return secrets


def _contents(code: CodePackage) -> str:
    """Show what is uploaded: the largest files, the number of files, and the size of the zip file."""
    largest = sorted(code.files, key=lambda path: (-code.files[path], path))
    shown = "".join(f"\n  {_size(code.files[path]):>10}  {path}" for path in largest[:_FILES_SHOWN])
    more = f"\n  and {len(largest) - _FILES_SHOWN} smaller files" if len(largest) > _FILES_SHOWN else ""
    return (
        f"The code: {len(largest)} file{'s' if len(largest) > 1 else ''}, {_size(code.size)} as a zip file{shown}{more}"
    )


def _size(count: int) -> str:
    for unit, power in (("MB", 1e6), ("kB", 1e3)):
        if count >= power:
            return f"{count / power:.1f} {unit}"
    return f"{count} B"


@contextlib.contextmanager
def _showing_lost_schedules(notes: Console, external_id: str, server: str) -> Iterator[None]:
    """Show the commands that create schedules again, if a replacement fails or is cancelled half-way."""
    try:
        yield
    except (ReplacementFailed, asyncio.CancelledError) as error:
        failed = error if isinstance(error, ReplacementFailed) else error.__cause__
        if lost := getattr(failed, "schedules", ()):
            notes.print("Once the function is Ready, create its schedules again:")
        for schedule in lost:
            notes.print(_command_for(schedule, external_id) + server, soft_wrap=True)
        raise


def _command_for(schedule: KeptSchedule, function: str) -> str:
    """Return the command that creates a schedule again: the service does not have it any more."""
    options = ["--function", function, "--data", json.dumps(schedule.data)]
    if schedule.description:
        options += ["--description", schedule.description]
    return shlex.join(["aiocdf", "schedules", "create", schedule.name, schedule.cron, *options])


def _how_to_continue(function: Function, address: str) -> str:
    """Return text that says how to see the status of a deployment."""
    return f"The deployment continues. To see its status: aiocdf functions show {function.id}{option_for(address)}"


def _what_happened(function: Function, before: Iterable[Function]) -> str:
    for earlier in before:
        if earlier.id == function.id:
            return f"Function {function.id} already has this code and these settings. Nothing was uploaded."
        return f"Created function {function.id}, which replaces {earlier.id}."
    return f"Created function {function.id}."

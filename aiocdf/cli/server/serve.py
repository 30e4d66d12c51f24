"""`aiocdf serve`: the local server, in the foreground."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
import shlex
import signal
from typing import TYPE_CHECKING

import attrs
from rich.table import Table

from aiocdf.cli.base.console import open_console
from aiocdf.cli.base.running_servers import RunningServer, announced
from aiocdf.cli.base.secret_source import given_secret
from aiocdf.cli.server.env_file import env_file as kept_env_file
from aiocdf.cli.server.limits import changed_limits, shown_limits
from aiocdf.cli.server.secrets import ServerSecrets, kept_secrets
from aiocdf.local import LocalServer, OAuthClient, User
from aiocdf.local.faults.file import read_faults
from aiocdf.local.http.listening import is_free
from aiocdf.local.runtime.executors import LOCAL
from aiocdf.local.settings import ServerSettings
from aiocdf.local.state.clouds import limits_of
from aiocdf.local.state.folder import state_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from rich.console import Console

    from aiocdf.local import Faults, Limits
    from aiocdf.local.api.calls import ErrorShape
    from aiocdf.local.api.functions import MissingKey
    from aiocdf.local.runtime.catalogue import Function
    from aiocdf.local.settings import LoginFlow
    from aiocdf.local.state.clouds import CloudName
    from aiocdf.secret import Secret

__all__ = ["ServeJob"]

OPEN_TO_OTHERS = """\
Other machines can reach this server, and it has no TLS. Whoever knows a secret of it, or records the traffic, can run
any code on this machine with your rights.
"""


@attrs.frozen(kw_only=True)
class ServeJob:
    """Serves the functions of a folder until it is cancelled.

    The fields without a description are those of `ServerSettings`.

    Args:
        folder: Where the functions are.
        port: The TCP port; 0 for any free one; None for one that is the same at each start, if it is free.
        client_secret: Where the secret of clients is, as `env:NAME` or `file:PATH`; None for one that is the same at each
            start.
        login_flow: How clients sign in by the environment that is shown.
        env_file: Where to keep the environment for clients, if anywhere.
        limits: Which limits to change, as in `calls-per-function=10`.
        faults: The file that describes what goes wrong on purpose, if anything.
        state: Where to keep the state; None for the folder's own place.
    """

    folder: Path
    port: int | None
    host: str
    open_to_others: bool
    allowed_hosts: Iterable[str]
    project: str
    client_secret: str | None
    login_flow: LoginFlow
    env_file: Path | None
    cloud: CloudName
    limits: Iterable[str]
    faults: Path | None
    error_shape: ErrorShape
    missing_key: MissingKey
    state: Path | None
    fresh: bool
    processes: int | None
    executor: str
    rerun_lost: bool

    async def run(self) -> None:
        """Serve.

        Raises:
            UsageError: The folder does not exist, or has no functions.
            ConfigError: The port is taken, an option has a wrong value, a file cannot be read or written, or the state
                cannot be kept.
        """
        logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
        logging.getLogger("aiocdf.local").setLevel(logging.INFO)
        state = self.state if self.state is not None else await asyncio.to_thread(state_folder, self.folder)
        given = await asyncio.to_thread(_given, self.client_secret)
        own = ServerSecrets() if self.fresh else await asyncio.to_thread(kept_secrets, state)
        settings = self._settings(
            state, own, given, None if self.faults is None else await asyncio.to_thread(read_faults, self.faults)
        )
        async with LocalServer(settings) as server:
            # Not earlier: now the folder belongs to this server.
            await asyncio.to_thread(own.keep, state)
            environment = server.environment(self.login_flow)
            with contextlib.ExitStack() as files:
                if self.env_file:
                    files.enter_context(kept_env_file(self.env_file, environment))
                files.enter_context(announced(RunningServer.of(self.folder, server.environment())))
                # Ctrl-\\ in a terminal. Without this, the signal would end the process with a core dump.
                asyncio.get_running_loop().add_signal_handler(signal.SIGQUIT, _end_waiting_calls, server)
                if self.open_to_others:
                    open_console().print(OPEN_TO_OTHERS, style="bold red")
                _show(open_console(), server, environment, self)
                _show_settings(open_console(), state, settings.limits, self.faults)
                await asyncio.Event().wait()

    def _settings(self, state: Path, own: ServerSecrets, given: Secret | None, faults: Faults | None) -> ServerSettings:
        return ServerSettings(
            root=self.folder,
            port=_usual_port(self.folder, self.host) if self.port is None else self.port,
            host=self.host,
            open_to_others=self.open_to_others,
            allowed_hosts=self.allowed_hosts,
            project=self.project,
            clients=(
                OAuthClient(client_id="local", client_secret=given or own.client_secret),
                OAuthClient(client_id="aiocdf", client_secret=None),
            ),
            users=[User(name="demo", password=own.password)],
            cloud=self.cloud,
            limits=changed_limits(limits_of(self.cloud), self.limits),
            error_shape=self.error_shape,
            missing_key=self.missing_key,
            state=state,
            fresh=self.fresh,
            faults=faults,
            processes=self.processes,
            executor=self.executor,
            rerun_lost=self.rerun_lost,
            log=None,
        )


def _given(source: str | None) -> Secret | None:
    return None if source is None else given_secret(source, option="--client-secret")


def _end_waiting_calls(server: LocalServer) -> None:
    count = server.end_waiting_calls()
    logging.getLogger("aiocdf.local").info("%d calls that waited to begin are ended", count)


def _usual_port(folder: Path, host: str) -> int:
    """Return a port that is the same at each start, or 0 if it is taken.

    It is not one of those that systems give to outgoing connections.
    """
    hashed = hashlib.sha256(os.fsencode(folder.resolve())).digest()
    port = 20_000 + int.from_bytes(hashed) % 10_000
    return port if is_free(host, port) else 0


def _show(
    console: Console,
    server: LocalServer,
    environment: Mapping[str, str],
    job: ServeJob,
) -> None:
    console.out(f"aiocdf serves project {server.project} at {server.url}", style="bold")
    console.out(f"Watch it, and call its functions, in a browser: {server.page_url}", highlight=False)
    console.out(f"Its API is described at {server.url}/reference\n", highlight=False)
    console.print(_table(server.functions()))
    where = "--processes changes that." if job.executor == LOCAL else f"They run on {job.executor}."
    console.print(f"\nFunction instances that run at once: {server.processes}; further calls wait. {where}")
    console.print("\nTo call them from another shell, add --local, as in: aiocdf functions list --local")
    console.print(
        "To call them from programs, set these variables there: aiocdf.Client.from_env() and other clients read them."
    )
    console.print(f"{_secret_of(environment, server)}\n")
    for name, value in environment.items():
        console.out(f"export {name}={shlex.quote(value)}")
    if job.env_file:
        console.print("\nUntil the server ends, this sets them too:\n")
        console.out(f"set -a; . {shlex.quote(str(job.env_file.absolute()))}; set +a")


def _show_settings(console: Console, state: Path, limits: Limits, faults: Path | None) -> None:
    console.out(f"\nIts state is kept in {state}", highlight=False)
    console.out(f"Limits: {shown_limits(limits)}", highlight=False)
    if faults:
        console.out(f"Faults: {faults}", highlight=False)
    console.print("Ctrl-C ends the server, Ctrl-\\ the calls that wait to begin. Calls are logged below as they end.")


def _secret_of(environment: Mapping[str, str], server: LocalServer) -> str:
    """Say what the secret is good for, or with which to sign in."""
    if "IDP_CLIENT_SECRET" in environment:
        return "They stay the same at the next start. --fresh makes a new secret."
    user = server.users[0]
    return f"Users sign in as {user.name} with the password {user.password.reveal()}"


def _table(functions: Iterable[Function]) -> Table:
    table = Table("function", box=None, padding=(0, 3, 0, 0))
    table.add_column("id", justify="right", no_wrap=True)
    table.add_column("status")
    for function in functions:
        error = function.build.error
        status = function.build.status if error is None else f"Failed: {error.partition(chr(10))[0]}"
        table.add_row(function.deployment.external_id, str(function.id), status, style=None if error is None else "red")
    return table

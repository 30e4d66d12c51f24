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
Other machines can reach this server, and it has no TLS. A person who knows one of its secrets, or records its traffic,
can run any code on this machine with your access rights.
"""


@attrs.frozen(kw_only=True)
class ServeJob:
    """Serves the functions of a folder until it is cancelled.

    Fields without a description have the same meaning as in `ServerSettings`.

    Args:
        folder: The folder with the functions.
        port: The TCP port; 0 for any free one; None for a port that is the same at each start, if it is free.
        client_secret: The source of the clients' secret, as `env:NAME` or `file:PATH`; None for a secret that is the same
            at each start.
        login_flow: How clients sign in with the environment that is shown.
        env_file: The file for the clients' environment variables; None for no file.
        limits: The limits to change, such as `calls-per-function=10`.
        faults: The file that describes the faults to simulate; None for no faults.
        state: The folder for the state; None for a separate folder for the functions' folder.
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
        """Serve until cancelled.

        Raises:
            UsageError: The folder does not exist, or has no functions.
            ConfigError: The port is in use, an option has a wrong value, or a file or the state is not readable or not
                writable.
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
            # Not earlier: only now does this server own the folder.
            await asyncio.to_thread(own.keep, state)
            environment = server.environment(self.login_flow)
            with contextlib.ExitStack() as files:
                if self.env_file:
                    files.enter_context(kept_env_file(self.env_file, environment))
                files.enter_context(announced(RunningServer.of(self.folder, server.environment())))
                # Ctrl-\\ in a terminal. Without a handler, the signal would end the process with a core dump.
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
    logging.getLogger("aiocdf.local").info("%d calls that waited to start are ended", count)


def _usual_port(folder: Path, host: str) -> int:
    """Return a port that is the same at each start, or 0 if it is taken.

    It is outside the range that systems use for outgoing connections.
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
    console.out(f"To watch it and call its functions in a browser: {server.page_url}", highlight=False)
    console.out(f"API reference: {server.url}/reference\n", highlight=False)
    console.print(_table(server.functions()))
    where = "--processes changes this number." if job.executor == LOCAL else f"They run on {job.executor}."
    console.print(f"\nAt most {server.processes} function instances run at once; further calls wait. {where}")
    console.print("\nTo use this server from another shell, add --local: aiocdf functions list --local")
    console.print(
        "To call the functions from programs, set these variables. aiocdf.Client.from_env() and other clients read them."
    )
    console.print(f"{_secret_of(environment, server)}\n")
    for name, value in environment.items():
        console.out(f"export {name}={shlex.quote(value)}")
    if job.env_file:
        console.print("\nWhile the server runs, this also sets them:\n")
        console.out(f"set -a; . {shlex.quote(str(job.env_file.absolute()))}; set +a")


def _show_settings(console: Console, state: Path, limits: Limits, faults: Path | None) -> None:
    console.out(f"\nState: {state}", highlight=False)
    console.out(f"Limits: {shown_limits(limits)}", highlight=False)
    if faults:
        console.out(f"Faults: {faults}", highlight=False)
    console.print(
        "Ctrl-C stops the server. Ctrl-\\ ends the calls that wait to start. Calls are logged below when they end."
    )


def _secret_of(environment: Mapping[str, str], server: LocalServer) -> str:
    """Return text about the secret, or about the user to sign in as."""
    if "IDP_CLIENT_SECRET" in environment:
        return "They stay the same at the next start. --fresh creates a new secret."
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

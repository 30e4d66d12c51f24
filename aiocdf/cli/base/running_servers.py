"""The running local servers: each `aiocdf serve` writes a file for other commands and removes it when it ends.

The server holds a lock on its file. The system releases the lock when the process ends, even if it is killed, so a file
without a lock is left over from a killed server.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import secrets
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from aiocdf.cli.base.private_file import read_private
from aiocdf.errors import ConfigError
from aiocdf.secret import Secret, safe_to_show

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["RunningServer", "announced", "chosen_server", "option_for", "running_servers"]

_log = logging.getLogger("aiocdf.local")


@safe_to_show
@attrs.frozen(kw_only=True)
class RunningServer:
    """The connection settings of a local server.

    Args:
        folder: The folder with the functions that it serves.
        url: Its address.
        project: The name of its project.
        token_url: The URL from which the client requests access tokens.
        client_id: The id of the client that signs in with a secret.
        client_secret: The client's secret.
        scopes: The scopes to request.
    """

    folder: str
    url: str
    project: str
    token_url: str
    client_id: str
    client_secret: Secret = attrs.field(converter=Secret)
    scopes: str

    @classmethod
    def of(cls, folder: Path, environment: Mapping[str, str]) -> RunningServer:
        """Return the server of *folder* whose clients use the variables *environment*."""
        return cls(
            folder=str(folder.resolve()),
            url=environment["CDF_URL"],
            project=environment["CDF_PROJECT"],
            token_url=environment["IDP_TOKEN_URL"],
            client_id=environment["IDP_CLIENT_ID"],
            client_secret=Secret(environment["IDP_CLIENT_SECRET"]),
            scopes=environment["IDP_SCOPES"],
        )


@contextlib.contextmanager
def announced(server: RunningServer) -> Iterator[None]:
    """Make a server known to other commands of the same user.

    If the file is not writable, the server still runs, and a warning is logged.
    """
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(_locked_file(server))
        except OSError as error:
            _log.warning("--local will not find this server: cannot write to %r: %s", str(_folder()), error.strerror)
        yield


@contextlib.contextmanager
def _locked_file(server: RunningServer) -> Iterator[None]:
    _folder().mkdir(mode=0o700, parents=True, exist_ok=True)
    path = _folder() / f"{secrets.token_hex(8)}.json"
    descriptor, name = tempfile.mkstemp(dir=_folder(), prefix=".")  # with mode 0600
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        json.dump(attrs.asdict(server) | {"client_secret": server.client_secret.reveal()}, file)
        file.flush()
        Path(name).replace(path)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def running_servers() -> list[RunningServer]:
    """Return the running servers, and remove the files of killed ones; none on Windows, where the server does not run."""
    if sys.platform == "win32":
        return []
    return [server for path in sorted(_folder().glob("*.json")) if (server := _read(path))]


def chosen_server(servers: Iterable[RunningServer], url: str | None) -> RunningServer:
    """Return the server to use.

    Args:
        servers: The running servers.
        url: The address that the user gave; None for the only running server.

    Raises:
        ConfigError: No server is running, several are and *url* is None, or none has this address.
    """
    servers = list(servers)
    listed = "".join(f"\n  {server.url} serves {server.folder}" for server in servers)
    if not servers:
        raise ConfigError("no local server is running. Start one in another shell with `aiocdf serve DIR`.")
    if url is not None:
        for server in servers:
            if server.url == url.strip().rstrip("/"):
                return server
        raise ConfigError(f"you have no local server running at {url}. These are running:{listed}")
    if len(servers) > 1:
        raise ConfigError(f"{len(servers)} local servers are running. Choose one with --url:{listed}")
    return servers[0]


def option_for(address: str) -> str:
    """Return a space and the option that selects the local server at *address*; empty for any other address."""
    return f" --url {address}" if any(server.url == address for server in running_servers()) else ""


def _read(path: Path) -> RunningServer | None:
    """Return a running server; None if it is not running, or if its file may be from another user."""
    known: dict[str, Any] = {}
    with contextlib.suppress(OSError, ValueError):
        if _is_locked(path):
            known = json.loads(read_private(path))
        else:
            path.unlink(missing_ok=True)
    with contextlib.suppress(TypeError):
        return RunningServer(**known)
    return None


def _is_locked(path: Path) -> bool:
    with path.open(encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _folder() -> Path:
    base = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return base / "aiocdf" / "running"

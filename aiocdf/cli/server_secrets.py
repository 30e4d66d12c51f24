"""The secrets by which clients and users sign in to `aiocdf serve`. They stay the same over restarts."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import stat
from pathlib import Path

import attrs

from aiocdf.cli.env_file import replace_private
from aiocdf.errors import ConfigError, InvalidArgument
from aiocdf.secret import Secret, safe_to_show

__all__ = ["ServerSecrets", "given_secret", "kept_secrets"]

FILE = "secrets.json"


@safe_to_show
@attrs.frozen
class ServerSecrets:
    """The client's secret and the user's password.

    Args:
        client_secret: The secret of the client `local`.
        password: The password of the user `demo`.
    """

    client_secret: Secret = attrs.field(factory=lambda: Secret(secrets.token_urlsafe(24)))
    password: Secret = attrs.field(factory=lambda: Secret(secrets.token_urlsafe(9)))

    def keep(self, folder: Path) -> None:
        """Write the secrets for the next server that keeps its state in the folder.

        Raises:
            ConfigError: The file cannot be written.
        """
        problem = None
        try:
            replace_private(folder / FILE, json.dumps([self.client_secret.reveal(), self.password.reveal()]))
        except OSError as error:
            problem = error.strerror
        if problem:  # outside of `except`, whose traceback holds the text of the file
            raise ConfigError(f"cannot write {str(folder / FILE)!r}: {problem}")


def kept_secrets(folder: Path) -> ServerSecrets:
    """Return the secrets that the last server kept in the folder, or new ones.

    New ones also replace a file that other users can read or have written: they know those secrets.
    """
    with contextlib.suppress(OSError, TypeError, ValueError):
        return _read(folder / FILE)
    return ServerSecrets()


def _read(path: Path) -> ServerSecrets:
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW)) as file:
        status = os.fstat(file.fileno())
        if stat.S_IMODE(status.st_mode) & 0o077 or status.st_uid != os.getuid():
            raise PermissionError
        client_secret, password = map(Secret, json.load(file))
    return ServerSecrets(client_secret, password)


def given_secret(source: str) -> Secret:
    """Return the secret that `--client-secret` names. It is not on the command line, because other users can see that.

    Args:
        source: `env:NAME` or `file:PATH`.

    Raises:
        InvalidArgument: The source is neither of the two.
        ConfigError: It holds no secret.
    """
    kind, _, name = source.partition(":")
    if kind not in {"env", "file"} or not name:
        # The text is not repeated: it may be the secret.
        raise InvalidArgument(
            "--client-secret must be env:NAME or file:PATH, which say where the secret is; "
            "other users can see the arguments of a command"
        )
    if kind == "env":
        text = os.environ.get(name, "")
    else:
        try:
            text = Path(name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"cannot read the client secret from {name!r}: {error}") from None
    if not text.strip():
        raise ConfigError(f"{source} is empty or not set: put the client secret there")
    return Secret(text.strip())

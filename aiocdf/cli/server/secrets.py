"""The secrets by which clients and users sign in to `aiocdf serve`. They stay the same over restarts."""

from __future__ import annotations

import contextlib
import json
import secrets
from typing import TYPE_CHECKING

import attrs

from aiocdf.cli.base.private_file import read_private, replace_private
from aiocdf.errors import ConfigError
from aiocdf.secret import Secret, safe_to_show

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ServerSecrets", "kept_secrets"]

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
        client_secret, password = map(Secret, json.loads(read_private(folder / FILE)))
        return ServerSecrets(client_secret, password)
    return ServerSecrets()

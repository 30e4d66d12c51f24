"""The secrets with which clients and users sign in to `aiocdf serve`. They stay the same after a restart."""

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
        """Write the secrets for the next server that uses the state folder.

        Raises:
            ConfigError: The file is not writable.
        """
        problem = None
        try:
            replace_private(folder / FILE, json.dumps([self.client_secret.reveal(), self.password.reveal()]))
        except OSError as error:
            problem = error.strerror
        if problem:  # outside `except`, because its traceback contains the text of the file
            raise ConfigError(f"cannot write {str(folder / FILE)!r}: {problem}")


def kept_secrets(folder: Path) -> ServerSecrets:
    """Return the secrets that the last server stored in the folder, or new ones.

    A file that other users can read or have written is replaced with new secrets, because they know the old ones.
    """
    with contextlib.suppress(OSError, TypeError, ValueError):
        client_secret, password = map(Secret, json.loads(read_private(folder / FILE)))
        return ServerSecrets(client_secret, password)
    return ServerSecrets()

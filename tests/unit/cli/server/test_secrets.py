from __future__ import annotations

import stat

import pytest

from aiocdf.cli.server.secrets import FILE, ServerSecrets, kept_secrets
from aiocdf.errors import ConfigError


def texts(known: ServerSecrets) -> tuple[str, str]:
    return known.client_secret.reveal(), known.password.reveal()


def test_next_server_has_the_same(tmp_path):
    """What one server keeps, the next one has; only the owner can read the file."""
    first = kept_secrets(tmp_path)
    first.keep(tmp_path)

    assert texts(kept_secrets(tmp_path)) == texts(first)
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    assert texts(ServerSecrets()) != texts(first)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_file_that_others_can_read(tmp_path, mode):
    """Secrets that others can read or write are replaced."""
    first = kept_secrets(tmp_path)
    first.keep(tmp_path)
    (tmp_path / FILE).chmod(mode)

    assert texts(kept_secrets(tmp_path)) != texts(first)


def test_link(tmp_path):
    """A link in place of the file is not followed."""
    (tmp_path / "elsewhere").mkdir()
    first = ServerSecrets()
    first.keep(tmp_path / "elsewhere")
    (tmp_path / FILE).symlink_to(tmp_path / "elsewhere" / FILE)

    assert texts(kept_secrets(tmp_path)) != texts(first)


@pytest.mark.parametrize("content", ["", "{}", "[1]", '["a", "b", "c"]', "null", "[null, null]"])
def test_damaged_file(tmp_path, content):
    """A file that is damaged is replaced."""
    (tmp_path / FILE).write_text(content)
    (tmp_path / FILE).chmod(0o600)

    known = kept_secrets(tmp_path)
    assert all(len(text) >= 12 for text in texts(known))


def test_folder_that_cannot_be_written(tmp_path):
    """A folder in which no file can be written is an error that names the file."""
    with pytest.raises(ConfigError, match=FILE):
        ServerSecrets().keep(tmp_path / "nowhere")

from __future__ import annotations

import stat
from pathlib import Path

import attrs
import pytest

from aiocdf.cli.base.running_servers import RunningServer, announced, chosen_server, running_servers
from aiocdf.errors import ConfigError

ENVIRONMENT = {
    "CDF_URL": "http://127.0.0.1:2000",
    "CDF_PROJECT": "local",
    "IDP_TOKEN_URL": "http://127.0.0.1:2000/token",
    "IDP_CLIENT_ID": "local",
    "IDP_CLIENT_SECRET": "a-secret-of-the-server",
    "IDP_SCOPES": "http://127.0.0.1:2000/.default",
}
SERVER = RunningServer.of(Path("/functions"), ENVIRONMENT)
OTHER = attrs.evolve(SERVER, url="http://127.0.0.1:3000", folder="/others")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The folder of the files of servers."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "aiocdf" / "running"


def test_server_is_found_while_it_runs(folder):
    """Other commands read all that a client needs from a file of the user's own, which is gone afterwards."""
    with announced(SERVER):
        (found,) = running_servers()
        (file,) = folder.iterdir()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600

    assert found.client_secret.reveal() == "a-secret-of-the-server"
    assert attrs.evolve(found, client_secret=SERVER.client_secret) == SERVER
    assert running_servers() == []
    assert list(folder.iterdir()) == []


def test_file_of_a_killed_server_is_removed(folder):
    """A file without a lock is of a server that was killed: it is not used, and removed."""
    with announced(SERVER):
        (file,) = folder.iterdir()
        left = file.read_text()
    file.write_text(left)
    file.chmod(0o600)

    assert running_servers() == []
    assert not file.exists()


def test_file_that_other_users_can_read_is_not_used(folder):
    """The secret in such a file is known to others, and the address may be theirs."""
    with announced(SERVER):
        (file,) = folder.iterdir()
        file.chmod(0o644)
        assert running_servers() == []


def test_damaged_file_is_not_used(folder):
    """What cannot be read as a server is left out."""
    with announced(SERVER):
        (file,) = folder.iterdir()
        for text in ("", "[]", "{}", '{"url": 1}'):
            file.write_text(text)
            assert running_servers() == []


def test_server_runs_where_the_file_cannot_be_written(tmp_path, monkeypatch, caplog):
    """A home that cannot be written does not stop the server, and the log says what does not work."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    with announced(SERVER):
        assert running_servers() == []
    assert [record.name for record in caplog.records] == ["aiocdf.local"]


def test_the_one_server_is_chosen():
    """Without an address, the server that runs is the one; an address may end with a slash."""
    assert chosen_server([SERVER], None) is SERVER
    assert chosen_server([OTHER, SERVER], "http://127.0.0.1:2000/") is SERVER


@pytest.mark.parametrize(
    ("servers", "url"), [([], None), ([], SERVER.url), ([SERVER, OTHER], None), ([SERVER, OTHER], "http://x")]
)
def test_what_cannot_be_chosen_names_the_choice(servers, url):
    """With no server, with several, or with an unknown address, the error names those that run."""
    with pytest.raises(ConfigError) as refused:
        chosen_server(servers, url)
    assert all(server.url in str(refused.value) and server.folder in str(refused.value) for server in servers)

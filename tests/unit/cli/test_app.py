from __future__ import annotations

import pytest

from aiocdf.cli import app as module
from aiocdf.errors import ConfigError, ConnectError, InvalidArgument


@pytest.mark.parametrize(("error", "status"), [(ConfigError, 2), (InvalidArgument, 2), (ConnectError, 1)])
def test_error_is_a_line_and_a_status(monkeypatch, capsys, error, status):
    """An error of ours ends the process with a line on stderr; what the user can put right has status 2."""

    def app(**_):
        raise error("it is [bold]so[/bold]")

    monkeypatch.setattr(module, "app", app)
    with pytest.raises(SystemExit) as ended:
        module.run()

    assert ended.value.code == status
    assert capsys.readouterr() == ("", "error: it is [bold]so[/bold]\n")

from __future__ import annotations

import io

import pytest
from rich.console import Console

from aiocdf.batch import InputStatus, Progress
from aiocdf.batch.inputs import Fingerprint
from aiocdf.batch.journal import Identity
from aiocdf.cli.mapping import explain, shown

IDENTITY = Identity(
    function=1, project="p", base_url="http://127.0.0.1:1", format="jsonl", key=None, inputs=Fingerprint(0, "")
)


def progress(done: int = 0, *, total: int = 1000, running: int = 0, failed: int = 0, **more) -> Progress:
    counts = {InputStatus.Completed: done - failed, InputStatus.Failed: failed, InputStatus.Running: running}
    given = {"rate": None, "elapsed": 0.0, "recovering": 0, "draining": False} | more
    return Progress(identity=IDENTITY, total=total, counts=counts, **given)


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (progress(), "0 of 1,000 done, 0 running, 1,000 queued"),
        (progress(1000), "1,000 of 1,000 done, 0 running"),
        (
            progress(100, running=50, failed=3, rate=5.0),
            "100 of 1,000 done, 3 not completed, 50 running, 850 queued, 5.0/s, 3:00 left",
        ),
        (progress(100, rate=0.1), "100 of 1,000 done, 0 running, 900 queued, 0.1/s, 2:30:00 left"),
        (progress(recovering=7), "0 of 1,000 done, 0 running, 7 in doubt, being looked for, 993 queued"),
        (
            progress(running=30, rate=10.0, draining=True),
            "0 of 1,000 done, 30 running, 970 not begun, 10/s, 0:03 left",
        ),
    ],
)
def test_progress_is_a_line(now, words):
    """Done, running, queued, what did not complete, rate and time left, each where there is something to say."""
    assert explain(now) == words


def test_pipe_gets_a_line_now_and_then():
    """What is not a terminal gets the first, one every ten seconds where something has changed, and the last."""
    console = Console(file=io.StringIO(), width=40)

    with shown(console) as show:
        for second in range(26):
            show(progress(10 * second if second < 21 else 200, total=1000, elapsed=float(second)))
        show(progress(1000, elapsed=26.0))

    assert [line.split(" of")[0] for line in console.file.getvalue().splitlines()] == ["0", "100", "200", "1,000"]

"""What functions print becomes log lines."""

from __future__ import annotations

import asyncio
import time


async def test_all_ways_to_print_become_lines_in_order(stage):
    """Python's streams, the descriptors and subprocesses share one log, in the order of writing."""
    stage.write("""
        import os, subprocess, sys
        def handle():
            print("print")
            sys.stderr.write("stderr\\n")
            os.write(1, b"os.write\\n")
            subprocess.run(["echo", "subprocess"])
            print("two", "lines", sep="\\n", file=sys.stderr)
            print()
            print("windows\\r")
            print("last, unfinished", end="")
    """)
    before = time.time() * 1000 - 1

    await stage.run()

    expected = ["print", "stderr", "os.write", "subprocess", "two", "lines", "", "windows", "last, unfinished"]
    assert stage.lines == expected
    assert before <= stage.times[0] <= stage.times[-1] <= time.time() * 1000
    assert stage.times == sorted(stage.times)


async def test_lines_come_while_the_call_runs(stage, tmp_path):
    """A line is there before the call's end."""
    stage.write("""
        import pathlib, time
        def handle(data):
            print("started")
            while not pathlib.Path(data["gate"]).exists(): time.sleep(0.001)
    """)

    call = stage.start(gate=str(tmp_path / "gate"))
    await stage.line("started")

    assert not call.done()
    (tmp_path / "gate").touch()
    assert (await call).status == "Completed"


async def test_ten_thousand_lines_are_all_there_when_the_call_ends(stage):
    """No line is lost, doubled or out of order, and none comes after the outcome."""
    stage.write("def handle():\n for n in range(10_000): print('line', n)")

    await stage.run()

    assert stage.lines == [f"line {n}" for n in range(10_000)]


async def test_logs_go_with_their_call(stage):
    """The next call of the same process starts with an empty log."""
    stage.write("def handle(data): print(data['n'], end='')")

    await stage.run(n="one")
    await stage.run(n="two")

    assert stage.lines == ["one", "two"]


async def test_bytes_that_are_no_utf8_are_replaced(stage):
    """Any bytes make a line, and text that cannot be encoded is escaped."""
    stage.write(r"""
        import os
        def handle():
            os.write(2, b"\xff\xfe caf\xc3\xa9\n")
            print("\udcff blåbær")
    """)

    await stage.run()

    assert stage.lines == ["\ufffd\ufffd café", r"\udcff blåbær"]


async def test_very_long_lines_are_cut(stage):
    """No line is longer than 64 Ki characters; what is too long becomes several."""
    stage.write("def handle(): print('x' * 200_000); print('short')")

    await stage.run()

    assert max(map(len, stage.lines)) <= 64 * 1024
    assert "".join(stage.lines) == "x" * 200_000 + "short"
    assert stage.lines[-1] == "short"


async def test_output_between_calls_goes_to_nobody(stage, tmp_path):
    """What a thread prints after its call is not in that call's log, nor in the next call's."""
    stage.write("""
        import os, threading
        from pathlib import Path
        def linger(told):
            while not Path(told, "ended").exists(): pass
            os.write(1, b"late\\n" * 30_000)  # more than a pipe holds
            Path(told, "printed").touch()
        def handle(data):
            print("call")
            if data: threading.Thread(target=linger, args=(data["told"],), daemon=True).start()
    """)
    await stage.run(told=str(tmp_path))
    (tmp_path / "ended").touch()
    while not (tmp_path / "printed").exists():
        await asyncio.sleep(0.005)

    await stage.run()

    assert stage.lines == ["call", "call"]


async def test_output_before_the_process_died_is_kept(stage):
    """The last words of a process that ends in the middle of a call are in the log."""
    stage.write("import os\ndef handle(): print('last words'); os.write(1, b'unfinished'); os._exit(1)")

    await stage.run()

    assert stage.lines == ["last words", "unfinished"]


async def test_function_may_close_and_replace_its_streams(stage):
    """A function that closes stdout or puts something else in its place harms only its own log."""
    stage.write("""
        import io, os, sys
        def handle(data):
            if data["how"] == "close": sys.stdout.close()
            if data["how"] == "replace": sys.stdout = None
            if data["how"] == "descriptors": os.close(1), os.close(2)
            return data["how"]
    """)

    for how in ("close", "replace", "descriptors", "none"):
        assert (await stage.run(how=how)).response == f'"{how}"'.encode()


async def test_times_are_epoch_milliseconds(stage):
    """A line has the time at which it was printed."""
    stage.write("import time\ndef handle(): print(int(time.time() * 1000))")

    await stage.run()

    assert 0 <= stage.times[0] - int(stage.lines[0]) < 5_000

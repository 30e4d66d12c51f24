"""What functions print becomes log lines."""

from __future__ import annotations

import time

import pytest


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


@pytest.mark.parametrize("leftover", ["thread", "process", "process in a session of its own"])
async def test_nothing_of_a_call_prints_in_the_next_one(stage, leftover):
    """What a call leaves running ends with it, so it prints neither between calls nor into the next call's log."""
    stage.write("""
        import os, subprocess, threading, time
        def linger():
            while True: os.write(1, b"late\\n"), time.sleep(0.001)
        def handle(data):
            if data["leftover"] == "thread":
                threading.Thread(target=linger, daemon=True).start()
            elif data["leftover"]:
                alone = data["leftover"] != "process"
                subprocess.Popen(["sh", "-c", "while :; do echo late; sleep 0.001; done"], start_new_session=alone)
            time.sleep(0.1)
            print("self", os.getpid())
    """)
    await stage.run(leftover=leftover)
    assert "late" in stage.lines
    stage.lines.clear()

    await stage.run(leftover="")

    assert len(stage.lines) == 1


async def test_idle_threads_of_an_executor_keep_the_process_warm(stage):
    """A pool of threads that a function keeps is idle between calls, which is no reason for a cold start."""
    stage.write("""
        import concurrent.futures, os
        executor = concurrent.futures.ThreadPoolExecutor()
        def handle(): return executor.submit(os.getpid).result()
    """)

    assert len({(await stage.run()).response for _ in range(3)}) == 1


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

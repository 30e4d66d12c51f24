"""A function that is broken while it is served: what its callers read."""

from __future__ import annotations

import pytest

from aiocdf import FunctionNotReady
from aiocdf.local import serve

GOOD = "def handle(data):\n    return data\n"
#: What is in the folder of a function, and what the error must name.
BROKEN = {
    "syntax": ({"handler.py": "import os\ndef handle(:\n"}, ["handler.py, line 2", "invalid syntax"]),
    "no-handle": ({"handler.py": "def handel(data):\n    return data\n"}, ["handler.py", "`handle`"]),
    "arguments": ({"handler.py": "\n\ndef handle(data, session):\n    pass\n"}, ["handler.py, line 3", "session"]),
    "import": ({"handler.py": f"import missing\n{GOOD}"}, ["handler.py, line 1", "No module named 'missing'"]),
    "imported": ({"handler.py": f"import lib\n{GOOD}", "lib.py": "\nx = {\n"}, ["lib.py, line 2", "never closed"]),
    "settings": ({"handler.py": GOOD, "function.toml": "cpu = 1\nmemory = \n"}, ["function.toml", "line 2"]),
    "unknown-setting": ({"handler.py": GOOD, "function.toml": "cpus = 1\n"}, ["function.toml", "cpus"]),
}


async def test_reason_file_and_line(tmp_path):
    """Each function works, is broken by an edit, and is mended; the error has the file, the line and the reason in one line."""
    for name in BROKEN:
        (tmp_path / name).mkdir()
        (tmp_path / name / "handler.py").write_text(GOOD)
    async with serve(tmp_path) as server, server.client() as client:
        for name, (files, named) in BROKEN.items():
            assert await client.call(name, {"x": 1}).response() == {"x": 1}
            for file, text in files.items():
                (tmp_path / name / file).write_text(text)
            with pytest.raises(FunctionNotReady) as caught:
                await client.call(name, {"x": 1})
            message = str(caught.value)
            assert all(part in message for part in (name, *named)), message
            assert "\n" not in message
            (tmp_path / name / "function.toml").unlink(missing_ok=True)
            (tmp_path / name / "handler.py").write_text(GOOD)
            assert await client.call(name, {"x": 2}).response() == {"x": 2}

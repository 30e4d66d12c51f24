from __future__ import annotations

import pytest

from aiocdf.local.http.one_line import one_line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", ""),
        (" \n\n", ""),
        ("one", "one"),
        ("\n  one \ntwo", "one"),
        ("a\x1b[2Jb\tc\x00", "a?[2Jb?c?"),
        ("\u202eabc", "?abc"),
        ("x" * 300, "x" * 300),
        ("x" * 301, "x" * 297 + "..."),
    ],
)
def test_one_line(text, line):
    """No part of the text can start another line or move the cursor."""
    assert one_line(text) == line

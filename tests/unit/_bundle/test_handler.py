from __future__ import annotations

import pytest

from aiocdf._bundle.handler import check_handler
from aiocdf.errors import InvalidArgument


@pytest.mark.parametrize(
    "source",
    [
        "def handle(): ...",
        "def handle(data, client, secrets, function_call_info): ...",
        "def handle(*, data=None, **rest): ...",
        "def handle(x): ...\ndef handle(data): ...",
        "from app import handle",
        "from app import run as handle",
        "from app import *",
        "handle = make()",
        "a = handle = make()",
        "handle: object = make()",
        "class handle: ...",
        "try:\n    from app import handle\nexcept ImportError:\n    def handle(data): ...",
        "if True:\n    pass\nelse:\n    def handle(data): ...",
        "with a:\n    def handle(data): ...",
        "@decorated\ndef handle(anything): ...",
        "# -*- coding: latin-1 -*-\ndef handle(data): return 'é'",
    ],
)
def test_can_be_called(source) -> None:
    """Whatever binds `handle` when the module runs is taken; only what is seen without running it is checked."""
    check_handler(source.encode("latin-1"), "handler.py")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def handle(:", r"handler\.py, line 1: "),
        ("\n\nreturn = 3", r"handler\.py, line 3: "),
        ("a\0b", r"handler\.py"),
        ("", "no function `handle`"),
        ("def other(): ...", "no function `handle`"),
        ("def other():\n    def handle(data): ...", "no function `handle`"),
        ("class A:\n    def handle(data): ...", "no function `handle`"),
        ("handle: object", "no function `handle`"),
        ("a.handle = 3", "no function `handle`"),
        ("async def handle(data): ...", r"handler\.py, line 1: .*async"),
        ("def handle(data): ...\nasync def handle(data): ...", "line 2: .*async"),
        ("def handle(data, *, context, event=1): ...", "takes context, event,"),
        ("def handle(data, /): ...", "by name"),
    ],
)
def test_cannot_be_called(source, message) -> None:
    """What the service could not call is refused, with file and line."""
    with pytest.raises(InvalidArgument, match=message):
        check_handler(source.encode(), "handler.py")


def test_nested_too_deeply() -> None:
    """Code that Python cannot parse for its depth is refused as well."""
    with pytest.raises(InvalidArgument, match=r"handler\.py"):
        check_handler(b"-" * 100_000 + b"1", "handler.py")

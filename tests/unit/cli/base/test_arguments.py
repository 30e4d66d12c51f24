from __future__ import annotations

from aiocdf.cli.base.arguments import function_name


def test_a_number_is_an_id():
    """Digits are a numeric id; all else is an external id."""
    assert function_name("123") == 123
    assert function_name("١٢") == "١٢"
    assert function_name("double-2") == "double-2"

"""Looks at the code of a handler without running it."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from aiocdf.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["ARGUMENTS", "check_handler"]

#: What the service passes to `handle`, by name.
ARGUMENTS = ("data", "client", "secrets", "function_call_info")

_Compound = ast.If | ast.Try | ast.With | ast.For | ast.While


def check_handler(source: bytes, path: str) -> None:
    """Check that a module defines a `handle` that the service can call.

    The last definition of that name counts, as it does when the module runs.

    Args:
        source: The text of the module.
        path: Of the module, for messages.

    Raises:
        InvalidArgument: It is not Python, has no `handle` at its top level, or one that is async or takes other
            arguments than the service passes. The message has file and line.
    """
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        raise InvalidArgument(f"{path}, line {error.lineno or 1}: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise InvalidArgument(f"{path} cannot be read as Python: {type(error).__name__} {error}") from None
    found = [node for node in _statements(tree.body) if _binds_handle(node)]
    if not found:
        raise InvalidArgument(
            f"{path} has no function `handle` at its top level: add one, as in `def handle(data): ...`"
        )
    _check(found[-1], path)


def _statements(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements that run when the module is imported."""
    for node in body:
        yield node
        if isinstance(node, _Compound):
            for name in ("body", "handlers", "orelse", "finalbody"):
                for inner in getattr(node, name, ()):
                    yield from _statements(inner.body if isinstance(inner, ast.ExceptHandler) else [inner])


def _binds_handle(node: ast.stmt) -> bool:
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return node.name == "handle"
        case ast.Assign():
            return any(isinstance(target, ast.Name) and target.id == "handle" for target in node.targets)
        case ast.AnnAssign(target=ast.Name(id="handle"), value=value):
            return value is not None
        case ast.ImportFrom() | ast.Import():
            return any((alias.asname or alias.name) in {"handle", "*"} for alias in node.names)
        case _:
            return False


def _check(node: ast.stmt, path: str) -> None:
    """Check a definition; what is assigned or imported shows when the function is deployed."""
    where = f"{path}, line {node.lineno}"
    if isinstance(node, ast.AsyncFunctionDef):
        raise InvalidArgument(
            f"{where}: `handle` is async, and the service does not await it: write `def handle` and call "
            "asyncio.run(...) in it"
        )
    if not isinstance(node, ast.FunctionDef) or node.decorator_list:
        return
    if node.args.posonlyargs:
        raise InvalidArgument(f"{where}: the service passes arguments to `handle` by name: remove the `/`")
    unknown = [each.arg for each in (*node.args.args, *node.args.kwonlyargs) if each.arg not in ARGUMENTS]
    if unknown:
        raise InvalidArgument(
            f"{where}: `handle` takes {', '.join(unknown)}, and the service passes only {', '.join(ARGUMENTS)}"
        )

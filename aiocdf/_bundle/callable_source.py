"""The source of a function as a module of its own."""

from __future__ import annotations

import builtins
import inspect
import symtable
import textwrap
from types import FunctionType
from typing import TYPE_CHECKING

from aiocdf._bundle.requirements import check_requirements, requirements_in
from aiocdf.errors import InvalidArgument, InvalidType

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["read_callable"]

# Annotations are then not evaluated, and may name what only the program has.
_HEAD = "from __future__ import annotations\n\n"
_MODULE_NAMES = frozenset({*dir(builtins), "__name__", "__file__", "__doc__", "__builtins__"})


def read_callable(handle: object, requirements: Iterable[str] | None) -> dict[str, bytes]:
    """Return the files of a function that is given as a callable: its source, and what it requires.

    It reads the file that defines the callable, so call it in a thread.

    Args:
        handle: A function. Only its own source is taken, so what it imports it imports itself.
        requirements: Lines of a `requirements.txt`; None for those between `[requirements]` and `[/requirements]` in
            its docstring.

    Raises:
        InvalidType: It is not a function, or requirements are not texts.
        InvalidArgument: It is a lambda, a method or a closure, its source cannot be read, or it uses names of the
            module that it is defined in.
    """
    function = _plain_function(handle)
    name, source = function.__name__, _source(function)
    lines = check_requirements(requirements_in(inspect.getdoc(function)) if requirements is None else requirements)
    named = source if name == "handle" else f"{source}\n\nhandle = {name}\n"
    files = {"handler.py": named.encode()}
    return files | ({"requirements.txt": "".join(f"{line}\n" for line in lines).encode()} if lines else {})


def _plain_function(handle: object) -> FunctionType:
    """Return *handle* if it is a function that needs nothing of the code around it."""
    if not isinstance(handle, FunctionType):
        raise InvalidType(f"handle must be a function that is written with `def`, not {_kind(handle)}")
    if handle.__name__ == "<lambda>":
        raise InvalidArgument("handle is a lambda, whose source is not a module: write it with `def`")
    if outer := sorted({*handle.__code__.co_freevars} - {handle.__name__}):
        raise InvalidArgument(
            f"handle {handle.__name__} uses {', '.join(outer)} of the function around it, which would be missing at the "
            "service: pass it in data"
        )
    return handle


def _kind(handle: object) -> str:
    if inspect.ismethod(handle):
        return "a method: its object would be missing at the service"
    return f"a {type(handle).__name__}"


def _source(function: FunctionType) -> str:
    """Return the source of a function as a module that defines all names that it uses."""
    name, source = function.__name__, _module(function)
    if missing := sorted(set(_undefined_names(source)) - {name}):
        raise InvalidArgument(
            f"handle {name} uses {', '.join(missing)} from outside of it, and only its own source is deployed: "
            "import or define that in the function, or deploy a folder"
        )
    return source


def _module(function: FunctionType) -> str:
    """Return the source of a function as a module."""
    name = function.__name__
    try:
        source = _HEAD + textwrap.dedent(inspect.getsource(function))
        compile(source, "handler.py", "exec", dont_inherit=True)
    except (OSError, TypeError):
        raise InvalidArgument(
            f"handle {name} has no source to read: define it in a file or a notebook, or deploy a folder"
        ) from None
    except SyntaxError:
        raise InvalidArgument(f"the source of handle {name} is not valid on its own: deploy a folder") from None
    return source


def _undefined_names(source: str) -> Iterator[str]:
    """Yield the names that a module uses without defining them."""
    waiting = [symtable.symtable(source, "handler.py", "exec")]
    defined = {symbol.get_name() for symbol in waiting[0].get_symbols() if symbol.is_assigned() or symbol.is_imported()}
    while waiting:
        table = waiting.pop()
        # Python 3.14 has tables for annotations, which are not evaluated here.
        waiting += [child for child in table.get_children() if child.get_type() != "annotation"]
        for symbol in table.get_symbols():
            outside = symbol.is_global() or table.get_type() == "module"
            if outside and symbol.is_referenced() and symbol.get_name() not in defined | _MODULE_NAMES:
                yield symbol.get_name()

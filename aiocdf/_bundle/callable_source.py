"""The source of a function as a separate module."""

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

# With this import, annotations are not evaluated. They may use names that only the program defines.
_HEAD = "from __future__ import annotations\n\n"
_MODULE_NAMES = frozenset({*dir(builtins), "__name__", "__file__", "__doc__", "__builtins__"})


def read_callable(handle: object, requirements: Iterable[str] | None) -> dict[str, bytes]:
    """Return the files of a function that is given as a callable: its source and its requirements.

    It reads the file that defines the callable, so call it in a thread.

    Args:
        handle: A function. Only its own source is deployed, so it must import what it uses inside its body.
        requirements: Lines of a `requirements.txt`; None for those between `[requirements]` and `[/requirements]` in
            its docstring.

    Raises:
        InvalidType: *handle* is not a function, or a requirement is not text.
        InvalidArgument: *handle* is a lambda, a method or a closure, its source is not readable, or it uses names of
            the module that defines it.
    """
    function = _plain_function(handle)
    name, source = function.__name__, _source(function)
    lines = check_requirements(requirements_in(inspect.getdoc(function)) if requirements is None else requirements)
    named = source if name == "handle" else f"{source}\n\nhandle = {name}\n"
    files = {"handler.py": named.encode()}
    return files | ({"requirements.txt": "".join(f"{line}\n" for line in lines).encode()} if lines else {})


def _plain_function(handle: object) -> FunctionType:
    """Return *handle* if it is a function that does not depend on the code around it."""
    if not isinstance(handle, FunctionType):
        raise InvalidType(f"handle must be a function defined with `def`, not {_kind(handle)}")
    if handle.__name__ == "<lambda>":
        raise InvalidArgument("handle is a lambda. Define it with `def`, so that its source is a module.")
    if outer := sorted({*handle.__code__.co_freevars} - {handle.__name__}):
        raise InvalidArgument(
            f"handle {handle.__name__} uses {', '.join(outer)} of the enclosing function, which is not deployed. "
            "Pass it in data instead."
        )
    return handle


def _kind(handle: object) -> str:
    if inspect.ismethod(handle):
        return "a method, because its object is not deployed"
    return f"a {type(handle).__name__}"


def _source(function: FunctionType) -> str:
    """Return the source of a function as a module. It must define all names that it uses."""
    name, source = function.__name__, _module(function)
    if missing := sorted(set(_undefined_names(source)) - {name}):
        raise InvalidArgument(
            f"handle {name} uses {', '.join(missing)} from outside the function, but only its own source is deployed. "
            "Import or define them in the function, or deploy a folder."
        )
    return source


def _module(function: FunctionType) -> str:
    """Return the source of a function as a module."""
    name = function.__name__
    try:
        source = _HEAD + textwrap.dedent(inspect.getsource(function))
        compile(source, "handler.py", "exec", dont_inherit=True)
    except (OSError, TypeError):
        source = ""
    except SyntaxError:
        raise InvalidArgument(f"the source of handle {name} is not a valid module. Deploy a folder instead.") from None
    # Code that `exec` made shares its file name with other code, so Python may find the source of that.
    if name not in symtable.symtable(source, "handler.py", "exec").get_identifiers():
        raise InvalidArgument(
            f"handle {name} has no readable source. Define it in a file or a notebook, or deploy a folder."
        )
    return source


def _undefined_names(source: str) -> Iterator[str]:
    """Yield the names that a module uses without defining them."""
    waiting = [symtable.symtable(source, "handler.py", "exec")]
    defined = {symbol.get_name() for symbol in waiting[0].get_symbols() if symbol.is_assigned() or symbol.is_imported()}
    while waiting:
        table = waiting.pop()
        # Python 3.14 has symbol tables for annotations, which are not evaluated here.
        waiting += [child for child in table.get_children() if child.get_type() != "annotation"]
        for symbol in table.get_symbols():
            outside = symbol.is_global() or table.get_type() == "module"
            if outside and symbol.is_referenced() and symbol.get_name() not in defined | _MODULE_NAMES:
                yield symbol.get_name()

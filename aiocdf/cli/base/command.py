"""How a function becomes a command: it gets `--debug`, and a client where it needs one."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from aiocdf.cli.base.confirm import Yes, confirm
from aiocdf.cli.base.failures import shown_failures
from aiocdf.cli.base.help import Command
from aiocdf.cli.base.signals import run_until_signal

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from aiocdf.client import Client

__all__ = ["Local", "Url", "client_command", "command", "run_to_end"]

_WHERE = "Where"

Local = Annotated[
    bool,
    typer.Option("--local", help="Use the local server that `aiocdf serve` runs.", rich_help_panel=_WHERE),
]
Url = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="Use the local server at this address, which `aiocdf serve` printed.",
        rich_help_panel=_WHERE,
    ),
]
_Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error, and the log.")]


def command(
    app: typer.Typer, name: str, *, examples: str = "", section: str | None = None
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator that makes a command of a function, whose errors are shown in a line each.

    Args:
        app: What the command is added to.
        name: The command's name.
        examples: How to use it, a command line each.
        section: Where the help of *app* lists it.
    """

    def register(work: Callable[..., None]) -> Callable[..., None]:
        def run(*, debug: bool, **given: Any) -> None:
            with shown_failures(debug=debug):
                work(**given)

        _declare(run, like=work, debug=_Debug)
        app.command(name, cls=Command, epilog=examples, rich_help_panel=section)(run)
        return work

    return register


def client_command(
    app: typer.Typer, name: str, *, examples: str = "", section: str | None = None, deletes: bool = False
) -> Callable[[Callable[..., Coroutine[Any, Any, None]]], Callable[..., Coroutine[Any, Any, None]]]:
    """Return a decorator that makes a command of a coroutine function, which gets an open client as `client`.

    The client is of the environment, or of the local server that `--local` or `--url` names.

    Args:
        app: As of `command`.
        name: As of `command`.
        examples: As of `command`.
        section: As of `command`.
        deletes: Ask before it runs, unless `--yes` is given.
    """

    def register(work: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., Coroutine[Any, Any, None]]:
        def run(*, local: bool, url: str | None, yes: bool = True, **given: Any) -> None:
            confirm(yes=yes)
            # Help must not wait for the client to be imported.
            from aiocdf.cli.base.connection import open_client

            run_to_end(_with_client(open_client(local=local, url=url), work, given))

        options = {"yes": Yes} if deletes else {}
        _declare(run, like=work, **options, local=Local, url=Url)
        command(app, name, examples=examples, section=section)(run)
        return work

    return register


def run_to_end(work: Coroutine[Any, Any, None], *, first: Callable[[], None] | None = None) -> None:
    """Run a command that comes to an end by itself; one that a signal ended says so by its exit code.

    Args:
        work: What to run.
        first: As of `run_until_signal`.
    """
    if signal := run_until_signal(work, first=first):
        raise typer.Exit(128 + signal)


async def _with_client(client: Client, work: Callable[..., Coroutine[Any, Any, None]], given: dict[str, Any]) -> None:
    async with client:
        await work(client=client, **given)


def _declare(run: Callable[..., None], *, like: Callable[..., Any], **options: Any) -> None:
    """Give *run* the help and the parameters of *like*, except `client`, and some options more: typer reads them."""
    hints = get_type_hints(like, localns={"Client": Any}, include_extras=True)
    parameters = [
        parameter.replace(annotation=hints[name])
        for name, parameter in inspect.signature(like).parameters.items()
        if name != "client"
    ]
    for name, annotation in options.items():
        default = None if annotation is Url else False
        parameters.append(
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        )
    run.__doc__ = like.__doc__
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]

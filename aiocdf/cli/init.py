"""`aiocdf init`: a function to begin with."""

from __future__ import annotations

import shlex
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import Annotated

import typer

from aiocdf.cli.base.command import command
from aiocdf.errors import ConfigError, InvalidArgument

__all__ = ["app", "new_function"]

app: typer.Typer = typer.Typer()

HANDLER = '''\
"""A function: the service calls `handle`, and what it returns is the response."""


def handle(data):
    print(f"doubling {data['x']}")  # a line of the call's log
    return {"doubled": 2 * data["x"]}
'''

SETTINGS = """\
# Settings of the function, for `aiocdf serve` and `aiocdf functions deploy`.
# Packages that it needs belong in a requirements.txt beside this file.
name = "NAME"
description = "Doubles a number."
"""

PROGRAM = '''\
"""Calls the function; environment variables say where it runs."""

import asyncio

import aiocdf


async def main() -> None:
    async with aiocdf.Client.from_env() as client:
        handles = [client.call("NAME", data={"x": x}) for x in range(10)]
        for response in await asyncio.gather(*(handle.response() for handle in handles)):
            print(response)


if __name__ == "__main__":
    asyncio.run(main())
'''

FILES = {"handler.py": HANDLER, "function.toml": SETTINGS, "call.py": PROGRAM}

NEXT = """\
Made in {folder}: handler.py, function.toml, call.py

Run the function on this computer:
  aiocdf serve {folder} --env-file local.env

Call it from another shell in the same folder:
  aiocdf call {name} '{{"x": 21}}' --local --follow
  set -a; . ./local.env; set +a; python {folder}/call.py

Deploy it to the project that the environment names:
  aiocdf functions deploy {folder}
"""


@command(app, "init", examples="aiocdf init hello", section="Start")
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to make; its name is the function's.")],
) -> None:
    """Make a function to begin with, and a program that calls it.

    Writes handler.py, function.toml and call.py into DIR. It does not replace files that are there.
    """
    name = new_function(folder)
    typer.echo(NEXT.format(folder=shlex.quote(str(folder)), name=shlex.quote(name)), nl=False)


def new_function(folder: Path) -> str:
    """Write the files of a function, and return its name.

    Raises:
        InvalidArgument: One of the files is there already, or the folder's name is not a name for a function.
        ConfigError: They cannot be written.
    """
    name = folder.resolve().name
    if not name.isprintable() or not name or '"' in name or "\\" in name:
        raise InvalidArgument(f"{name!r} is not a name for a function: choose another folder")
    if present := [file for file in FILES if (folder / file).exists()]:
        raise InvalidArgument(f"{str(folder)!r} has {', '.join(present)} already: choose another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, text in FILES.items():
            with (folder / file).open("x", encoding="utf-8") as stream:
                stream.write(text.replace("NAME", name))
    except OSError as error:
        raise ConfigError(f"cannot write to {str(folder)!r}: {error.strerror}") from None
    return name

"""`aiocdf init`: creates a first function."""

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
"""A function: the service calls `handle`, and the value that it returns is the response."""


def handle(data):
    print(f"doubling {data['x']}")  # a line of the call's log
    return {"doubled": 2 * data["x"]}
'''

SETTINGS = """\
# Settings of the function, for `aiocdf serve` and `aiocdf functions deploy`.
# List the packages that it needs in a requirements.txt in this folder.
name = "NAME"
description = "Doubles a number."
"""

PROGRAM = '''\
"""Calls the function. Environment variables select where it runs."""

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
Created handler.py, function.toml and call.py in {folder}.

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
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="The folder to create. Its name becomes the function's name.")
    ],
) -> None:
    """Create a first function, and a program that calls it.

    Writes handler.py, function.toml and call.py into DIR. Existing files are not replaced.
    """
    name = new_function(folder)
    typer.echo(NEXT.format(folder=shlex.quote(str(folder)), name=shlex.quote(name)), nl=False)


def new_function(folder: Path) -> str:
    """Write the files of a function, and return its name.

    Raises:
        InvalidArgument: One of the files exists, or the folder's name is not a valid function name.
        ConfigError: The files are not writable.
    """
    name = folder.resolve().name
    if not name.isprintable() or not name or '"' in name or "\\" in name:
        raise InvalidArgument(f"{name!r} is not a valid function name. Choose another folder.")
    if present := [file for file in FILES if (folder / file).exists()]:
        raise InvalidArgument(f"{str(folder)!r} already has {' and '.join(present)}. Choose another folder.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, text in FILES.items():
            with (folder / file).open("x", encoding="utf-8") as stream:
                stream.write(text.replace("NAME", name))
    except OSError as error:
        raise ConfigError(f"cannot write to {str(folder)!r}: {error.strerror}") from None
    return name

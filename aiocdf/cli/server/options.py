"""The arguments and options of `aiocdf serve`, in the groups that its help shows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

__all__ = [
    "AllowHost",
    "ClientSecret",
    "Cloud",
    "EnvFile",
    "ErrorShape",
    "Faults",
    "Folder",
    "Fresh",
    "Host",
    "LimitChanges",
    "LoginFlow",
    "MissingKey",
    "OpenToOthers",
    "Port",
    "Processes",
    "Project",
    "State",
]

_ADDRESS, _SIGN_IN, _SERVICE, _STATE = "Address", "Project and sign-in", "What the service does", "State and processes"


def _option(group: str, text: str, *names: str, **more: Any) -> Any:
    return typer.Option(*names, help=text, rich_help_panel=group, **more)


Folder = Annotated[
    Path,
    typer.Argument(
        metavar="DIR", help="A folder of functions, one function, or a Cognite Toolkit module.", show_default=False
    ),
]

Port = Annotated[
    int | None,
    _option(
        _ADDRESS,
        "The TCP port; 0 for any free one.  [default: the same for DIR at each start, if it is free]",
        metavar="N",
        min=0,
        max=65_535,
    ),
]
Host = Annotated[
    str, _option(_ADDRESS, "The address to listen at. One that other machines can reach needs --open-to-others.")
]
OpenToOthers = Annotated[
    bool,
    _option(_ADDRESS, "Let other machines reach the server: they can run code on this one.", "--open-to-others"),
]
AllowHost = Annotated[
    list[str] | None, _option(_ADDRESS, "One more name by which clients reach the server.", metavar="NAME")
]

Project = Annotated[str, _option(_SIGN_IN, "The name of its project.")]
ClientSecret = Annotated[
    str | None,
    _option(
        _SIGN_IN,
        "Where the secret of clients is: env:NAME or file:PATH.  [default: the same for DIR at each start]",
        metavar="SOURCE",
    ),
]
LoginFlow = Annotated[
    Literal["client_credentials", "interactive", "device_code"],
    _option(_SIGN_IN, "How clients sign in: with a secret, or as a user in a browser, here or on another device."),
]
EnvFile = Annotated[
    Path | None, _option(_SIGN_IN, "Keep the environment in this file while the server runs.", metavar="PATH")
]

Cloud = Annotated[
    Literal["gcp", "azure", "aws"], _option(_SERVICE, "The cloud whose figures hold, for data, time and memory.")
]
LimitChanges = Annotated[
    list[str] | None, _option(_SERVICE, "Change a limit, as in calls-per-function=10.", "--limit", metavar="NAME=VALUE")
]
Faults = Annotated[Path | None, _option(_SERVICE, "A TOML file of what goes wrong on purpose.", metavar="FILE")]
ErrorShape = Annotated[
    Literal["object", "string"],
    _option(_SERVICE, "What the error of a failed call is: message and trace, or the message only."),
]
MissingKey = Annotated[
    Literal["externalId", "external_id"],
    _option(_SERVICE, "The name of the external id where an answer says which functions are unknown."),
]

State = Annotated[
    Path | None,
    _option(
        _STATE,
        "Where calls, and what is made through the API, are kept.  [default: a folder of DIR's own]",
        metavar="FOLDER",
    ),
]
Fresh = Annotated[bool, _option(_STATE, "Delete what earlier servers of DIR have kept.", "--fresh")]
Executor = Annotated[
    str, _option(_STATE, "What runs functions: local, or a Dask cluster, as dask://HOST:8786.", metavar="WHERE")
]
RerunLost = Annotated[
    bool, _option(_STATE, "Run calls again whose worker was lost: they may then run twice.", "--rerun-lost")
]
Processes = Annotated[
    int | None,
    _option(
        _STATE,
        "How many function instances may run at once.  [default: as many as the memory allows]",
        metavar="N",
        min=1,
    ),
]

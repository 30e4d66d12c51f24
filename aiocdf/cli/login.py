"""The commands `aiocdf login`, `logout` and `whoami`."""

from __future__ import annotations

import typer

from aiocdf.cli.base.command import Local, Url, command, run_to_end

__all__ = ["app"]

app: typer.Typer = typer.Typer()


@command(app, "login", section="Sign-in")
def login() -> None:
    """Sign in at the identity provider that the environment names, and show who you are.

    Programs with the same environment reuse this sign-in.
    """
    # Imported late, so that help is shown quickly.
    from aiocdf.cli.sign_in import run_login

    run_to_end(run_login())


@command(app, "logout", section="Sign-in")
def logout() -> None:
    """Sign out, on this computer and at the identity provider."""
    from aiocdf.cli.sign_in import run_logout

    run_to_end(run_logout())


@command(app, "whoami", section="Sign-in")
def whoami(*, local: Local = False, url: Url = None) -> None:
    """Show the identity that programs use, until when it is valid, and whether it can call functions."""
    from aiocdf.cli.sign_in import run_whoami

    run_to_end(run_whoami(local=local, url=url))

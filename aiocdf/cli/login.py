"""`aiocdf login`, `logout` and `whoami`, as the shell sees them."""

from __future__ import annotations

import typer

from aiocdf.cli.base.command import Local, Url, command, run_to_end

__all__ = ["app"]

app: typer.Typer = typer.Typer()


@command(app, "login", section="Sign-in")
def login() -> None:
    """Sign in where the environment says, and show who you are.

    Programs that run with the same environment use this sign-in.
    """
    # Help must not wait for the client to be imported.
    from aiocdf.cli.sign_in import run_login

    run_to_end(run_login())


@command(app, "logout", section="Sign-in")
def logout() -> None:
    """End the sign-in, here and at the identity provider."""
    from aiocdf.cli.sign_in import run_logout

    run_to_end(run_logout())


@command(app, "whoami", section="Sign-in")
def whoami(*, local: Local = False, url: Url = None) -> None:
    """Show as whom programs act, until when, and whether they can call functions."""
    from aiocdf.cli.sign_in import run_whoami

    run_to_end(run_whoami(local=local, url=url))

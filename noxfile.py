"""Everything that has to hold before a change goes in; `nox` runs all of it, `nox -s tests -- path -k name` a part."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from pathlib import Path

import nox

HERE = Path(__file__).parent
DIST = HERE / "dist"
PROVIDER = HERE / "tests" / "providers"
PROJECT = nox.project.load_toml("pyproject.toml")

nox.needs_version = ">=2025.5"
nox.options.sessions = ["lint", "types", "layers", "tests", "sdk", "sdk7", "ecosystem", "providers", "page"]


def runs(python: Path) -> bool:
    """Tell whether this is a Python that starts: a pyenv shim may stand for one that is not there."""
    return os.access(python, os.X_OK) and subprocess.run([python, "-c", ""], stderr=subprocess.DEVNULL).returncode == 0


@functools.cache
def installed() -> list[str]:
    """Return the versions of our classifiers that run here, and put their folders on the PATH, where nox looks."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = []
    for version in nox.project.python_versions(PROJECT):
        folders = [*map(Path, os.get_exec_path()), *pyenv.glob(f"versions/{version}.*/bin")]
        folder = next((folder for folder in folders if runs(folder / f"python{version}")), None)
        if folder is not None:
            os.environ["PATH"] = f"{folder}{os.pathsep}{os.environ['PATH']}"
            found.append(version)
    return found


def install_wheel(session: nox.Session, *groups: str) -> None:
    """Install the wheel that `package` built, with all extras and the dependency groups named."""
    (wheel,) = DIST.glob("*.whl")
    wanted = nox.project.dependency_groups(PROJECT, *groups)
    session.install("--quiet", f"aiocdf[all] @ {wheel.as_uri()}", *wanted)


def pytest(session: nox.Session, *command: str) -> None:
    """Run pytest on what is installed: a safe path keeps the checkout out of every process that tests start."""
    session.run(*command, env={"PYTHONSAFEPATH": "1", "AIOCDF_TEST_INSTALLED": "1"})


@nox.session
def package(session: nox.Session) -> None:
    """Build the source distribution, and the wheel from it."""
    shutil.rmtree(DIST, ignore_errors=True)
    session.install("--quiet", "build")
    session.run("python", "-m", "build", "--outdir", str(DIST), str(HERE), silent=True)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and form."""
    session.install("--quiet", *nox.project.dependency_groups(PROJECT, "lint"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


@nox.session(requires=["package"])
def types(session: nox.Session) -> None:
    """Check the types of the package, of its users' code in `tests/typing` and of the examples, with two type checkers.

    basedpyright is pyright in a wheel with all it needs: pyright's own package downloads itself from npm when it runs.
    """
    install_wheel(session, "types")
    session.run("mypy")
    session.run("basedpyright", "--level", "error", "tests/typing")
    # Outside of the checkout, so that it finds the wheel.
    with session.chdir(session.create_tmp()):
        session.run("basedpyright", "--verifytypes", "aiocdf", "--ignoreexternal", silent=True)


@nox.session
def layers(session: nox.Session) -> None:
    """Check that imports point down."""
    session.install("--quiet", *nox.project.dependency_groups(PROJECT, "layers"))
    session.run("lint-imports", "--no-logo", "--no-cache", env={"PYTHONPATH": str(HERE)})


@nox.session(python=installed(), requires=["package"])
def tests(session: nox.Session) -> None:
    """Run the tests on the wheel; the oldest Python alone meets chaos and measures the tests' branch coverage."""
    install_wheel(session, "tests")
    others = ("airflow", "dask", "ecosystem", "page", "providers", "sdk", "toolkit")
    arguments = session.posargs or ["-n", "2", *(f"--ignore=tests/{name}" for name in others)]
    if session.posargs:
        pytest(session, "pytest", *arguments)
        return
    if session.python != installed()[0]:
        pytest(session, "pytest", *arguments, "--ignore=tests/chaos")
        return
    session.run("coverage", "erase")
    pytest(session, "coverage", "run", "-m", "pytest", *arguments)
    session.run("coverage", "combine", "--quiet")
    session.run("coverage", "report")


@nox.session(requires=["package"])
def sdk(session: nox.Session) -> None:
    """Drive the local server with Cognite's own client."""
    install_wheel(session, "tests", "sdk")
    pytest(session, "pytest", *(session.posargs or ["tests/sdk"]))


@nox.session(requires=["package"])
def sdk7(session: nox.Session) -> None:
    """Drive the local server with the last version 7 of Cognite's own client, which takes HTTP only if told so."""
    install_wheel(session, "tests", "sdk7")
    session.env["OAUTHLIB_INSECURE_TRANSPORT"] = "1"
    pytest(session, "pytest", *(session.posargs or ["tests/sdk/test_sync.py"]))


@nox.session(requires=["package"])
def ecosystem(session: nox.Session) -> None:
    """Run the examples that are built on packages of others: a FastAPI service and a notebook."""
    install_wheel(session, "tests", "ecosystem")
    pytest(session, "pytest", *(session.posargs or ["tests/ecosystem"]))


@nox.session(requires=["package"])
def airflow(session: nox.Session) -> None:
    """Run the example of an operator in Airflow, which takes a minute to install."""
    install_wheel(session, "tests", "airflow")
    pytest(session, "pytest", *(session.posargs or ["tests/airflow"]))


@nox.session(requires=["package"])
def toolkit(session: nox.Session) -> None:
    """Deploy a module with Cognite Toolkit, which has a Python of its own; its install and its run take a minute."""
    install_wheel(session, "tests")
    python = peer(session, "toolkit")
    session.env["AIOCDF_TEST_CDF"] = str(Path(python).with_name("cdf"))
    pytest(session, "pytest", *(session.posargs or ["tests/toolkit"]))


@nox.session(requires=["package"])
def dask(session: nox.Session) -> None:
    """Run functions on a Dask cluster of three worker processes, and kill some."""
    install_wheel(session, "tests", "dask")
    pytest(session, "pytest", *(session.posargs or ["tests/dask"]))


@nox.session(requires=["package"])
def providers(session: nox.Session) -> None:
    """Sign in at identity providers that other people wrote: one on Node.js, and glewlwyd if it is on the PATH."""
    # What the provider needs that is newest; which Node.js has it is no matter of the major version alone.
    probe = [shutil.which("node") or "false", "--eval", "URL.parse('a:')"]
    if not shutil.which("npm") or subprocess.run(probe, capture_output=True).returncode != 0:
        session.skip("the provider needs npm and Node.js 22, or a late 20, on the PATH")
    session.run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(PROVIDER), external=True)
    install_wheel(session, "tests")
    pytest(session, "pytest", *(session.posargs or [str(PROVIDER)]))


@nox.session(requires=["package"])
def page(session: nox.Session) -> None:
    """Use the page of the local server in a real browser."""
    if not shutil.which("chromium"):
        session.skip("the page is tested in Chromium: put chromium on the PATH")
    install_wheel(session, "tests", "page")
    pytest(session, "pytest", *(session.posargs or ["tests/page"]))


def peer(session: nox.Session, group: str = "sdk") -> str:
    """Return a Python of its own for Cognite's client: none of what that depends on is to change what ours runs with."""
    folder = Path(session.create_tmp()) / group
    python = str(folder / "bin" / "python")
    session.run("python", "-m", "venv", str(folder))
    session.run(
        python, "-m", "pip", "install", "--quiet", *nox.project.dependency_groups(PROJECT, group), external=True
    )
    return python


@nox.session(requires=["package"])
def bench(session: nox.Session) -> None:
    """Measure the client beside its peers; `nox -s bench -- --quick` takes under two minutes, all of it about twenty."""
    install_wheel(session, "bench")
    sdk = [] if "--quick" in session.posargs else ["--sdk-python", peer(session)]
    session.run("python", "benchmarks/run.py", *sdk, *session.posargs)


@nox.session(requires=["package"])
def tokens(session: nox.Session) -> None:
    """Measure what it costs the client, and its peer, that a token expires; takes three minutes."""
    install_wheel(session)
    session.run("python", "benchmarks/tokens.py", "--sdk-python", peer(session))


@nox.session(requires=["package"])
def outages(session: nox.Session) -> None:
    """Measure, in virtual time, what the client does when the service is in trouble; takes about two minutes."""
    install_wheel(session, "bench")
    session.run("python", "benchmarks/outages.py", *session.posargs)


@nox.session(requires=["package"])
def chaos(session: nox.Session) -> None:
    """Count what becomes of calls while requests and answers get lost, beside peers; takes about an hour."""
    install_wheel(session)
    session.run("python", "benchmarks/chaos.py", "--sdk-python", peer(session), *session.posargs)


@nox.session(requires=["package"])
def scale(session: nox.Session) -> None:
    """Measure what many calls, handles, waiters and functions cost the client; takes about two minutes."""
    install_wheel(session)
    session.run("python", "benchmarks/scale.py", *session.posargs)


@nox.session(requires=["package"])
def load(session: nox.Session) -> None:
    """Measure the local server under load, and its memory over 100,000 calls; takes about ten minutes."""
    install_wheel(session)
    session.run("python", "benchmarks/server.py", *session.posargs)


@nox.session(requires=["package"])
def durable(session: nox.Session) -> None:
    """Kill a durable map at random moments, and measure what its journal costs; takes about half an hour."""
    install_wheel(session, "bench")
    session.run("python", "benchmarks/durable.py", *session.posargs)

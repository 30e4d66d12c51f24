"""Everything that has to hold before a change goes in; `nox` runs all of it, `nox -s tests -- path -k name` a part.

The whole takes minutes, because each Python runs only what it can find:

- The oldest runs all tests, and measures their branch coverage. Code that needs a newer Python fails here.
- The newest runs all but `tests/contract` and `tests/chaos`: the local server's answers and a network that fails are alike
  on every Python.
- Those between run `tests/unit` and `tests/component`, which find changes in asyncio and the rest of the standard library.

`nox -s thorough` runs the tests that invent their inputs with many times the inputs; it is for the night.

uv installs packages in a tenth of the time that pip takes, but it does not read pip's settings. nox uses pip where uv is not
installed, and where pip has an index of its own and uv has none.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nox

HERE = Path(__file__).parent
DIST = HERE / "dist"
PROVIDER = HERE / "tests" / "providers"
#: Mutations without effect: unions in annotations, which are not evaluated, and the identity of equal numbers.
UNTESTABLE = '"core/ReplaceBinaryOperator_BitOr_.*", "core/ReplaceComparisonOperator_.*_Is(Not)?"'
PROJECT = nox.project.load_toml("pyproject.toml")
#: The tests that need more than Python, each of which has a session of its own.
OTHERS = [f"--ignore=tests/{name}" for name in ("airflow", "dask", "ecosystem", "page", "providers", "sdk", "toolkit")]
#: The tests of which a newer Python may change the outcome.
OF_PYTHON = ["tests/unit", "tests/component"]
PARALLEL = ["-n", "2"]

nox.needs_version = ">=2025.5"
nox.options.sessions = ["lint", "types", "layers", "tests", "sdk", "sdk7", "ecosystem", "providers", "page", "docs"]


def backend() -> str:
    """Return what makes the environments of sessions: pip where only pip is configured to find packages."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    pip = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    index_of_pip = re.search(r"\.index-url=", pip) or "PIP_INDEX_URL" in os.environ
    index_of_uv = {"UV_DEFAULT_INDEX", "UV_INDEX_URL"} & os.environ.keys()
    return "virtualenv" if index_of_pip and not index_of_uv else "uv|virtualenv"


nox.options.default_venv_backend = backend()


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


def install_lowest(session: nox.Session, *groups: str) -> None:
    """Install the wheel with the oldest direct dependencies that pyproject.toml allows, and the groups named.

    Schemathesis is left out, because it needs newer versions of some of them.
    """
    (wheel,) = DIST.glob("*.whl")
    session.install("--quiet", "uv")
    lowest = Path(session.create_tmp()) / "lowest.txt"
    compile_ = ["uv", "pip", "compile", "--quiet", "--resolution=lowest-direct", "--extra=all", "pyproject.toml"]
    session.run(*compile_, f"--python={session.python or '3.11'}", f"--output-file={lowest}")
    wanted = [name for name in nox.project.dependency_groups(PROJECT, *groups) if not name.startswith("schemathesis")]
    session.install("--quiet", f"aiocdf[all] @ {wheel.as_uri()}", *wanted, "--constraint", str(lowest))


def pytest(session: nox.Session, *command: str) -> None:
    """Run pytest on what is installed: a safe path keeps the checkout out of every process that tests start."""
    # uv compiles nothing, and hundreds of processes import what it installs: the first one keeps what it compiled.
    session.run(*command, env={"PYTHONSAFEPATH": "1", "AIOCDF_TEST_INSTALLED": "1", "PYTHONDONTWRITEBYTECODE": ""})


@nox.session
def package(session: nox.Session) -> None:
    """Build the source distribution, and the wheel from it."""
    shutil.rmtree(DIST, ignore_errors=True)
    session.install("--quiet", "build[uv]")
    installer = "uv" if session.venv_backend == "uv" else "pip"
    session.run("python", "-m", "build", "--installer", installer, "--outdir", str(DIST), str(HERE), silent=True)


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
    """Run the tests on the wheel, as many as this Python needs."""
    install_wheel(session, "tests")
    if session.posargs:
        pytest(session, "pytest", *session.posargs)
    elif session.python == installed()[0]:
        measure(session)
    elif session.python == installed()[-1]:
        pytest(session, "pytest", *PARALLEL, *OTHERS, "--ignore=tests/contract", "--ignore=tests/chaos")
    else:
        pytest(session, "pytest", *PARALLEL, *OF_PYTHON)


def measure(session: nox.Session) -> None:
    """Run all tests, and fail if they leave too many branches of the package out."""
    session.run("coverage", "erase")
    pytest(session, "coverage", "run", "-m", "pytest", *PARALLEL, *OTHERS)
    session.run("coverage", "combine", "--quiet")
    session.run("coverage", "report")


@nox.session(requires=["package"])
def thorough(session: nox.Session) -> None:
    """Run the tests that invent their inputs with many times the inputs; takes about half an hour."""
    install_wheel(session, "tests")
    found = [str(path) for path in sorted(Path("tests").rglob("test_*.py")) if "hypothesis" in path.read_text()]
    pytest(session, "pytest", *PARALLEL, "--hypothesis-profile=thorough", "--timeout=0", *(session.posargs or found))


@nox.session(requires=["package"])
def sdk(session: nox.Session) -> None:
    """Drive the local server with Cognite's own client."""
    install_wheel(session, "tests", "sdk")
    pytest(session, "pytest", *(session.posargs or [*PARALLEL, "tests/sdk"]))


@nox.session(requires=["package"])
def sdk7(session: nox.Session) -> None:
    """Drive the local server with the last version 7 of Cognite's own client, which takes HTTP only if told so."""
    install_wheel(session, "tests", "sdk7")
    session.env["OAUTHLIB_INSECURE_TRANSPORT"] = "1"
    pytest(session, "pytest", *(session.posargs or ["tests/sdk/test_sync.py"]))


@nox.session(requires=["package"])
def toolkit(session: nox.Session) -> None:
    """Deploy a module with Cognite Toolkit, which has a Python of its own; its install and its run take a minute."""
    install_wheel(session, "tests")
    python = peer(session, "toolkit")
    session.env["AIOCDF_TEST_CDF"] = str(Path(python).with_name("cdf"))
    pytest(session, "pytest", *(session.posargs or ["tests/toolkit"]))


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
    pytest(session, "pytest", *(session.posargs or [*PARALLEL, str(PROVIDER)]))


@nox.session(requires=["package"])
def page(session: nox.Session) -> None:
    """Use the page of the local server in a real browser."""
    if not shutil.which("chromium"):
        session.skip("the page is tested in Chromium: put chromium on the PATH")
    install_wheel(session, "tests", "page")
    pytest(session, "pytest", *(session.posargs or [*PARALLEL, "tests/page"]))


@nox.session(python="3.11", requires=["package"])
def lowest(session: nox.Session) -> None:
    """Run the tests with the oldest versions of our dependencies that pyproject.toml allows."""
    install_lowest(session, "tests")
    places = ["tests/unit", "tests/acceptance"]
    pytest(session, "pytest", *(session.posargs or ["-n", "2", *places]))


@nox.session(requires=["package"])
def windows(session: nox.Session) -> None:
    """Run the tests of what also runs on Windows, without those that need the local server."""
    install_wheel(session, "tests")
    places = ["_engine", "_http", "_policy", "_wire", "auth", "models", "resources", "test_windows.py"]
    pytest(session, "pytest", *(session.posargs or [f"tests/unit/{place}" for place in places]))


@nox.session(venv_backend="venv")
def mutants(session: nox.Session) -> None:
    """Count the faults, put into the modules of `_policy` named, that their tests miss: `nox -s mutants -- patience rate`."""
    session.install("--quiet", "-e", ".[all]", *nox.project.dependency_groups(PROJECT, "mutants"))
    # Faults are put into a copy: a run that is cut short must not leave one in the checkout.
    copy = Path(session.create_tmp()) / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    for folder in ("aiocdf", "docs", "tests"):
        shutil.copytree(HERE / folder, copy / folder, ignore=shutil.ignore_patterns("node_modules", "__pycache__"))
    shutil.copy(HERE / "pyproject.toml", copy)
    session.chdir(copy)
    for module in session.posargs or sorted(path.stem for path in copy.glob("aiocdf/_policy/[a-z]*.py")):
        mutate(session, module)


def mutate(session: nox.Session, module: str) -> None:
    """Put every fault that there is into a module, one at a time, and report which of them its tests miss."""
    settings, results = f"{module}.toml", f"{module}.sqlite"
    tests = f"python -m pytest -x -q -p no:randomly -p no:cacheprovider tests/unit/_policy/test_{module}.py"
    Path(settings).write_text(
        f"""
        [cosmic-ray]
        module-path = "aiocdf/_policy/{module}.py"
        timeout = 60.0
        test-command = "{tests}"
        distributor.name = "local"
        [cosmic-ray.filters.operators-filter]
        exclude-operators = [{UNTESTABLE}]
        """
    )
    environment = {"PYTHONPATH": str(Path.cwd())}
    session.run("cosmic-ray", "init", settings, results, silent=True)
    session.run("cr-filter-operators", results, settings, silent=True)
    session.run("cosmic-ray", "--verbosity=ERROR", "exec", settings, results, env=environment)
    session.log(f"{module}: of its mutants, this part survived the tests (%):")
    session.run("cr-rate", results)


@nox.session(requires=["package"])
def release(session: nox.Session) -> None:
    """Check what would be published, down to a demo with the lowest versions, and stop there: CI publishes a pushed tag."""
    session.install("--quiet", *nox.project.dependency_groups(PROJECT, "release"))
    files = sorted(map(str, DIST.iterdir()))
    session.run("twine", "check", "--strict", *files)
    session.run("check-wheel-contents", *(file for file in files if file.endswith(".whl")))
    install_lowest(session)
    with session.chdir(session.create_tmp()):  # where the checkout cannot be imported
        session.run("aiocdf", "demo", silent=True)
    if any("dev" in file for file in files):
        session.warn("This commit has no tag, so the version is one of development, which no index takes.")
    session.log(f"Ready, and not published: {', '.join(files)}. To publish, push a tag such as v0.1.0.")


@nox.session(requires=["package"])
def docs(session: nox.Session) -> None:
    """Build the site from the documents and the docstrings; any warning, such as a broken link, is an error."""
    install_wheel(session, "docs")
    session.run("sphinx-build", "--quiet", "--fail-on-warning", "--keep-going", "docs", "build/docs")


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

"""The checks that every change must pass. `nox` runs all of them; `nox -s tests -- path -k name` runs a part.

All of them take minutes, because each Python version runs only the tests that can find something new:

- The oldest runs all but `tests/docs`, and measures the branch coverage. Code that needs a newer Python fails here. If it
  is the only one, it runs all.
- The newest runs all but `tests/contract`, `tests/chaos` and `tests/acceptance`, because the local server's answers, network
  failures and commands are the same on every Python. The documents run here alone.
- Those in between run `tests/unit` and `tests/component`, which find changes in asyncio and the standard library.

`nox -s thorough` runs the property-based tests with many more inputs, as a nightly job.

uv installs packages ten times faster than pip, but it does not read pip's settings. nox uses pip if uv is not installed, or
if an index is configured for pip and none for uv.
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
#: The tests that need more than Python. Each has its own session.
OTHERS = [f"--ignore=tests/{name}" for name in ("airflow", "dask", "ecosystem", "page", "providers", "sdk", "toolkit")]
#: The tests whose outcome may depend on the Python version.
OF_PYTHON = ["tests/unit", "tests/component"]
#: On two cores, a third process uses the time in which tests wait for sockets and processes.
PARALLEL = ["-n", "3"]
#: The tests whose outcome is the same on every Python.
OF_ANY_PYTHON = ["acceptance", "chaos", "contract"]

nox.needs_version = ">=2025.5"
nox.options.sessions = ["lint", "types", "layers", "tests", "sdk", "sdk7", "ecosystem", "providers", "page", "docs"]


def backend() -> str:
    """Return the backend for virtual environments: pip if only pip is configured to find packages."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    pip = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    index_of_pip = re.search(r"\.index-url=", pip) or "PIP_INDEX_URL" in os.environ
    index_of_uv = {"UV_DEFAULT_INDEX", "UV_INDEX_URL"} & os.environ.keys()
    return "virtualenv" if index_of_pip and not index_of_uv else "uv|virtualenv"


nox.options.default_venv_backend = backend()


def runs(python: Path) -> bool:
    """Return whether this Python starts. A pyenv shim may point to a version that is not installed."""
    return os.access(python, os.X_OK) and subprocess.run([python, "-c", ""], stderr=subprocess.DEVNULL).returncode == 0


@functools.cache
def installed() -> list[str]:
    """Return the versions in our classifiers that run here, and add their folders to the PATH, so that nox finds them."""
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
    """Run pytest on the installed package: a safe path hides the checkout from every process that tests start."""
    # uv does not compile bytecode, and hundreds of processes import the package, so let the first one write bytecode.
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
    """Check style and formatting."""
    session.install("--quiet", *nox.project.dependency_groups(PROJECT, "lint"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


@nox.session(requires=["package"])
def types(session: nox.Session) -> None:
    """Check the types of the package, of its users' code in `tests/typing` and of the examples, with two type checkers.

    basedpyright is pyright in a complete wheel; pyright's own package downloads itself from npm when it runs.
    """
    install_wheel(session, "types")
    session.run("mypy")
    session.run("basedpyright", "--level", "error", "tests/typing")
    # Outside the checkout, so that it finds the wheel.
    with session.chdir(session.create_tmp()):
        session.run("basedpyright", "--verifytypes", "aiocdf", "--ignoreexternal", silent=True)


@nox.session
def layers(session: nox.Session) -> None:
    """Check that imports follow the layers."""
    session.install("--quiet", *nox.project.dependency_groups(PROJECT, "layers"))
    session.run("lint-imports", "--no-logo", "--no-cache", env={"PYTHONPATH": str(HERE)})


@nox.session(python=installed(), requires=["package"])
def tests(session: nox.Session) -> None:
    """Run the tests on the wheel that this Python version needs."""
    install_wheel(session, "tests")
    if session.posargs:
        pytest(session, "pytest", *session.posargs)
    elif session.python == installed()[0]:
        measure(session)
    elif session.python == installed()[-1]:
        pytest(session, "pytest", *PARALLEL, *OTHERS, *(f"--ignore=tests/{name}" for name in OF_ANY_PYTHON))
    else:
        pytest(session, "pytest", *PARALLEL, *OF_PYTHON)


def measure(session: nox.Session) -> None:
    """Run the tests, and fail if their branch coverage of the package is too low."""
    session.run("coverage", "erase")
    ignored = ["--ignore=tests/docs"] if len(installed()) > 1 else []
    pytest(session, "coverage", "run", "-m", "pytest", *PARALLEL, *OTHERS, *ignored)
    session.run("coverage", "combine", "--quiet")
    session.run("coverage", "report")


@nox.session(requires=["package"])
def thorough(session: nox.Session) -> None:
    """Run the property-based tests with many more inputs; takes about half an hour."""
    install_wheel(session, "tests")
    found = [str(path) for path in sorted(Path("tests").rglob("test_*.py")) if "hypothesis" in path.read_text()]
    pytest(session, "pytest", *PARALLEL, "--hypothesis-profile=thorough", "--timeout=0", *(session.posargs or found))


@nox.session(requires=["package"])
def sdk(session: nox.Session) -> None:
    """Test the local server with Cognite's SDK."""
    install_wheel(session, "tests", "sdk")
    pytest(session, "pytest", *(session.posargs or [*PARALLEL, "tests/sdk"]))


@nox.session(requires=["package"])
def sdk7(session: nox.Session) -> None:
    """Test the local server with the last version 7 of Cognite's SDK, which allows HTTP only after a setting."""
    install_wheel(session, "tests", "sdk7")
    session.env["OAUTHLIB_INSECURE_TRANSPORT"] = "1"
    pytest(session, "pytest", *(session.posargs or ["tests/sdk/test_sync.py"]))


@nox.session(requires=["package"])
def toolkit(session: nox.Session) -> None:
    """Deploy a module with Cognite Toolkit in a separate environment; installation and run take a minute."""
    install_wheel(session, "tests")
    python = peer(session, "toolkit")
    session.env["AIOCDF_TEST_CDF"] = str(Path(python).with_name("cdf"))
    pytest(session, "pytest", *(session.posargs or ["tests/toolkit"]))


@nox.session(requires=["package"])
def ecosystem(session: nox.Session) -> None:
    """Run the examples that need third-party packages: a FastAPI service and a notebook."""
    install_wheel(session, "tests", "ecosystem")
    pytest(session, "pytest", *(session.posargs or ["tests/ecosystem"]))


@nox.session(requires=["package"])
def airflow(session: nox.Session) -> None:
    """Run the example of an operator in Airflow, whose installation takes a minute."""
    install_wheel(session, "tests", "airflow")
    pytest(session, "pytest", *(session.posargs or ["tests/airflow"]))


@nox.session(requires=["package"])
def dask(session: nox.Session) -> None:
    """Run functions on a Dask cluster of three worker processes, and kill some."""
    install_wheel(session, "tests", "dask")
    pytest(session, "pytest", *(session.posargs or ["tests/dask"]))


@nox.session(requires=["package"])
def providers(session: nox.Session) -> None:
    """Sign in at third-party identity providers: one on Node.js, and glewlwyd if it is on the PATH."""
    # The newest feature that the provider needs. The major version of Node.js does not show whether it is there.
    probe = [shutil.which("node") or "false", "--eval", "URL.parse('a:')"]
    if not shutil.which("npm") or subprocess.run(probe, capture_output=True).returncode != 0:
        session.skip("the provider needs npm and Node.js 22, or a late 20, on the PATH")
    session.run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(PROVIDER), external=True)
    install_wheel(session, "tests")
    pytest(session, "pytest", *(session.posargs or [*PARALLEL, str(PROVIDER)]))


@nox.session(requires=["package"])
def page(session: nox.Session) -> None:
    """Test the page of the local server in a real browser."""
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
    """Run the tests of the parts that support Windows, without tests that need the local server."""
    install_wheel(session, "tests")
    places = ["_engine", "_http", "_policy", "_wire", "auth", "models", "resources", "test_windows.py"]
    pytest(session, "pytest", *(session.posargs or [f"tests/unit/{place}" for place in places]))


@nox.session(venv_backend="venv")
def mutants(session: nox.Session) -> None:
    """Count the mutants of the given `_policy` modules that survive their tests: `nox -s mutants -- patience rate`."""
    session.install("--quiet", "-e", ".[all]", *nox.project.dependency_groups(PROJECT, "mutants"))
    # Only a copy is mutated: an interrupted run must not leave a mutant in the checkout.
    copy = Path(session.create_tmp()) / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    for folder in ("aiocdf", "docs", "tests"):
        shutil.copytree(HERE / folder, copy / folder, ignore=shutil.ignore_patterns("node_modules", "__pycache__"))
    shutil.copy(HERE / "pyproject.toml", copy)
    session.chdir(copy)
    for module in session.posargs or sorted(path.stem for path in copy.glob("aiocdf/_policy/[a-z]*.py")):
        mutate(session, module)


def mutate(session: nox.Session, module: str) -> None:
    """Run the tests of a module against each of its mutants, and report the survivors."""
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
    session.log(f"{module}: mutants that survived the tests (%):")
    session.run("cr-rate", results)


@nox.session(requires=["package"])
def release(session: nox.Session) -> None:
    """Check the release files, including a demo with the lowest versions. Nothing is published: CI publishes pushed tags."""
    session.install("--quiet", *nox.project.dependency_groups(PROJECT, "release"))
    files = sorted(map(str, DIST.iterdir()))
    session.run("twine", "check", "--strict", *files)
    session.run("check-wheel-contents", *(file for file in files if file.endswith(".whl")))
    install_lowest(session)
    with session.chdir(session.create_tmp()):  # so that the checkout is not importable
        session.run("aiocdf", "demo", silent=True)
    if any("dev" in file for file in files):
        session.warn("This commit has no tag, so the version is a development version, which package indexes reject.")
    session.log(f"Ready, but not published: {', '.join(files)}. To publish, push a tag such as v0.1.0.")


@nox.session(requires=["package"])
def docs(session: nox.Session) -> None:
    """Build the site from the documents and the docstrings. Warnings, such as a broken link, are errors."""
    install_wheel(session, "docs")
    session.run("sphinx-build", "--quiet", "--fail-on-warning", "--keep-going", "docs", "build/docs")


def peer(session: nox.Session, group: str = "sdk") -> str:
    """Return a separate Python for Cognite's SDK, so that its dependencies do not change ours."""
    folder = Path(session.create_tmp()) / group
    python = str(folder / "bin" / "python")
    session.run("python", "-m", "venv", str(folder))
    session.run(
        python, "-m", "pip", "install", "--quiet", *nox.project.dependency_groups(PROJECT, group), external=True
    )
    return python


@nox.session(requires=["package"])
def bench(session: nox.Session) -> None:
    """Compare the client with its peers; `nox -s bench -- --quick` takes under two minutes, the whole about twenty."""
    install_wheel(session, "bench")
    sdk = [] if "--quick" in session.posargs else ["--sdk-python", peer(session)]
    session.run("python", "benchmarks/run.py", *sdk, *session.posargs)


@nox.session(requires=["package"])
def tokens(session: nox.Session) -> None:
    """Measure the cost of an expired token for the client and its peer; takes three minutes."""
    install_wheel(session)
    session.run("python", "benchmarks/tokens.py", "--sdk-python", peer(session))


@nox.session(requires=["package"])
def outages(session: nox.Session) -> None:
    """Measure in virtual time how the client reacts to trouble of the service; takes about two minutes."""
    install_wheel(session, "bench")
    session.run("python", "benchmarks/outages.py", *session.posargs)


@nox.session(requires=["package"])
def chaos(session: nox.Session) -> None:
    """Count the outcomes of calls while requests and answers are lost, compared with peers; takes about an hour."""
    install_wheel(session)
    session.run("python", "benchmarks/chaos.py", "--sdk-python", peer(session), *session.posargs)


@nox.session(requires=["package"])
def scale(session: nox.Session) -> None:
    """Measure the cost of many calls, handles, waiters and functions; takes about two minutes."""
    install_wheel(session)
    session.run("python", "benchmarks/scale.py", *session.posargs)


@nox.session(requires=["package"])
def load(session: nox.Session) -> None:
    """Measure the local server under load, and its memory use over 100,000 calls; takes about ten minutes."""
    install_wheel(session)
    session.run("python", "benchmarks/server.py", *session.posargs)


@nox.session(requires=["package"])
def durable(session: nox.Session) -> None:
    """Kill a durable map at random moments, and measure the cost of its journal; takes about half an hour."""
    install_wheel(session, "bench")
    session.run("python", "benchmarks/durable.py", *session.posargs)

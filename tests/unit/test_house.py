"""The house rules that no tool checks."""

from __future__ import annotations

import ast
import importlib.metadata
import inspect
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import aiocdf
from aiocdf import batch, errors, local

PACKAGE = Path(aiocdf.__file__).parent
CHECKOUT = Path(__file__).parents[2]
MODULES = sorted(PACKAGE.rglob("*.py"))
TREE_LINE = re.compile(r"^(?P<indent>[│├└─ ]*)(?P<name>[A-Z]\w+)(?P<meaning>.*)$")


def _tree() -> dict[str, tuple[str | None, str]]:
    """Return parent and meaning of each exception as drawn at the top of errors.py."""
    drawing = inspect.getdoc(errors).split("\n\n")[1]
    path: list[str] = []
    found: dict[str, tuple[str | None, str]] = {}
    for line in drawing.splitlines():
        match = TREE_LINE.match(line)
        assert match, line
        del path[len(match["indent"]) // 4 :]
        found[match["name"]] = (path[-1] if path else None, match["meaning"])
        path.append(match["name"])
    return found


def _exceptions() -> list[type[errors.AiocdfError]]:
    """Return the exception classes that errors.py defines."""
    return [
        value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, errors.AiocdfError)
    ]


def test_public_names_exist_and_are_documented() -> None:
    """Every public name can be imported, and says itself what it is, unless it is another name for a type."""
    public = {name: getattr(aiocdf, name) for name in aiocdf.__all__}

    assert [name for name, value in public.items() if inspect.isclass(value) and not vars(value).get("__doc__")] == []


def test_dir_of_the_package() -> None:
    """`dir` and completion show the public names only."""
    assert dir(aiocdf) == sorted(aiocdf.__all__)


def test_unknown_name_of_the_package() -> None:
    """A name that is not public is an AttributeError."""
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        _ = aiocdf.nothing_of_the_kind


def test_import_of_the_package_loads_no_library() -> None:
    """`import aiocdf` takes no longer than Python itself: names are imported as a program uses them."""
    source = (
        "import sys, aiocdf; print(*{'aiohttp', 'attrs', 'cattrs'} & sys.modules.keys()); aiocdf.errors; aiocdf.Client"
    )
    assert subprocess.check_output([sys.executable, "-c", source], text=True) == "\n"


@pytest.mark.parametrize("module", [aiocdf, batch, local], ids=lambda module: module.__name__)
def test_dir_shows_public_names(module) -> None:
    """What completion offers are the public names, and not the modules that happen to be imported."""
    assert dir(module) == sorted(module.__all__)


def test_exceptions_are_drawn_under_their_parents() -> None:
    """The tree in the docstring of errors.py has each exception once, below the class it derives from."""
    drawn = {name: parent for name, (parent, _) in _tree().items()}

    real = {error.__name__: error.__bases__[0].__name__ for error in _exceptions()}
    assert drawn == {**real, "AiocdfError": None}


def test_exceptions_tell_what_else_they_are() -> None:
    """The tree says of an exception which of Python's own it is as well."""
    drawn = {name: re.findall(r"also an? (\w+)", meaning) for name, (_, meaning) in _tree().items()}

    assert drawn == {error.__name__: [base.__name__ for base in error.__bases__[1:]] for error in _exceptions()}


def test_exceptions_are_public() -> None:
    """Whatever aiocdf raises or warns of can be caught by a name from the package itself."""
    assert set(errors.__all__) <= set(aiocdf.__all__)
    assert {error.__name__ for error in _exceptions()} <= set(errors.__all__)


def test_modules_fit_a_screen_or_eight() -> None:
    """No module has more than 400 lines."""
    lines = {str(module.relative_to(PACKAGE)): len(module.read_text().splitlines()) for module in MODULES}

    assert {name: count for name, count in lines.items() if count > 400} == {}


def test_functions_are_short() -> None:
    """No function has more than 60 lines."""
    lines = {
        f"{module.relative_to(PACKAGE)}:{node.lineno} {node.name}": (node.end_lineno or 0) - node.lineno + 1
        for module in MODULES
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }

    assert {name: count for name, count in lines.items() if count > 60} == {}


def test_tests_state_behaviour() -> None:
    """Every test says in its docstring what holds."""
    silent = [
        f"{path.relative_to(CHECKOUT)}:{node.lineno} {node.name}"
        for path in CHECKOUT.glob("tests/**/test_*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if node.name.startswith("test_") and not ast.get_docstring(node)
    ]

    assert silent == []


def test_package_is_typed() -> None:
    """Type checkers of users take the package's annotations."""
    assert (PACKAGE / "py.typed").is_file()


def test_version_is_the_installed_one() -> None:
    """`aiocdf.__version__` is the version of the installed package."""
    assert aiocdf.__version__ == importlib.metadata.version("aiocdf")


def test_package_has_no_links() -> None:
    """Every file of the package is a file of its own: a checkout on Windows has no symbolic links."""
    assert [path for path in PACKAGE.rglob("*") if path.is_symlink()] == []


def test_import_is_light() -> None:
    """Importing aiocdf brings in neither command line, local server nor durable map, nor what only they need."""
    script = "import sys, aiocdf; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True, check=True).stdout

    heavy = {"aiocdf.batch", "aiocdf.cli", "aiocdf.local", "aiohttp.web", "aiosqlite", "cryptography", "rich", "typer"}
    assert set(modules.split()) & heavy == set()


@pytest.mark.skipif("AIOCDF_TEST_INSTALLED" not in os.environ, reason="only nox tests an installed wheel")
def test_installed_package_is_tested() -> None:
    """Under nox it is the wheel that is tested, not the files beside the tests."""
    assert "site-packages" in PACKAGE.parts


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A project that has nothing but our `.ci/run`."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(CHECKOUT / ".ci" / "run", tmp_path / ".ci" / "run")
    return tmp_path


def test_ci_runs_the_readmes_test_command(clone: Path) -> None:
    """`.ci/run` runs the first block under "Test it", in the project's folder, with CI set and nothing to read."""
    readme = "```bash\nfalse\n```\n## Test it\nLike so:\n```bash\npwd\necho CI=$CI\ncat\n```\n```bash\nfalse\n```\n"
    (clone / "README.md").write_text(readme)

    done = subprocess.run([clone / ".ci" / "run"], capture_output=True, text=True, check=True, cwd="/")
    assert done.stdout == f"{clone}\nCI=true\n"


@pytest.mark.parametrize("readme", ["## Test it\n```bash\nfalse\ntrue\n```\n", "## Run it\n```bash\ntrue\n```\n"])
def test_ci_fails_when_the_command_fails_or_is_not_there(clone: Path, readme: str) -> None:
    """`.ci/run` fails with the first line that fails, and when README.md has no such block."""
    (clone / "README.md").write_text(readme)

    assert subprocess.run([clone / ".ci" / "run"], capture_output=True, check=False).returncode != 0

"""How Sphinx builds this site: `nox -s docs`, and then open build/docs/index.html."""

from __future__ import annotations

import importlib.metadata
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

DOCS = Path(__file__).parent
FENCE = re.compile(r"^```(?P<language>\w+)\n(?P<source>.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<=\]\()(?P<target>\.\./[^)#]*)(?P<fragment>#[^)]*)?(?=\))")

project = "aiocdf"
author = "The aiocdf maintainers"
release = importlib.metadata.version("aiocdf")
repository = next(
    url.partition(", ")[2]
    for url in importlib.metadata.metadata("aiocdf").get_all("Project-URL", [])
    if url.startswith("Source, ")
)

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton", "sphinx_external_toc"]
external_toc_path = "_toc.yml"
default_role = "code"  # docstrings mark code as Markdown does

myst_heading_anchors = 5
myst_enable_extensions = ["html_image"]

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
napoleon_numpy_docstring = False
python_maximum_signature_line_length = 80

copybutton_prompt_text = r">>> |\$ "
copybutton_prompt_is_regexp = True

html_theme = "furo"
html_title = "aiocdf"
html_show_sphinx = False
html_copy_source = False
html_static_path = ["_static"]
html_theme_options = {
    "source_repository": repository,
    "source_branch": "main",
    "source_directory": "docs/",
}


def link_to_repository(_: Sphinx, docname: str, source: list[str]) -> None:
    """Let links to files outside of this folder lead to the repository: on a code host they work as they are."""

    def absolute(link: re.Match[str]) -> str:
        target = Path(os.path.normpath(DOCS / Path(docname).parent / link["target"]))
        if target.is_relative_to(DOCS):
            return link[0]
        return f"{repository}/blob/main/{target.relative_to(DOCS.parent).as_posix()}{link['fragment'] or ''}"

    source[0] = LINK.sub(absolute, source[0])


def read_fences(_app: Sphinx, _what: str, _name: str, _object: object, _options: object, lines: list[str]) -> None:
    """Show the code blocks of docstrings, which are fenced as in Markdown."""

    def block(fence: re.Match[str]) -> str:
        code = "\n".join(f"    {line}" for line in fence["source"].splitlines())
        return f".. code-block:: {fence['language']}\n\n{code}\n"

    lines[:] = FENCE.sub(block, "\n".join(lines)).splitlines()


def keep_colons(_app: Sphinx, what: str, _name: str, _object: object, _options: object, lines: list[str]) -> None:
    """Keep Napoleon from reading what stands before a colon as an attribute's type: it looks at the first line."""
    if what in {"attribute", "data", "property"}:
        lines.insert(0, "")


def setup(app: Sphinx) -> None:
    """Connect what prepares the sources."""
    app.add_css_file("site.css")
    app.connect("autodoc-process-docstring", keep_colons, priority=400)
    app.connect("source-read", link_to_repository)
    app.connect("autodoc-process-docstring", read_fences)

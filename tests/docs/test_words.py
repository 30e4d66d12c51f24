"""The words of the code and of the documents: phrases that slow readers down are not allowed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
SOURCES = sorted([*ROOT.glob("aiocdf/**/*.py"), *ROOT.glob("examples/**/*.py")])

#: A phrase, and what to write instead.
BANNED = {
    r"(?<!here )\b(?:is|are|was|were) no (?!longer\b|more\b|other\b|less\b)\w+": "is not a ...",
    r"\bnobody\b|\bsomebody\b|\banybody\b|\bwhoever\b": "the user, another process, no caller",
    r"\btold\b|\btells?\b|\btelling\b": "reports, says, returns, shows",
    r"\bask(?:s|ed|ing)? (?:after|for)\b": "read, poll, request",
    r"\bat the (?:most|least)\b": "at most, at least",
    r"\bcannot be\b": "is not ...; ... failed",
    r"\bbe it\b|\bto be had\b|\bin the midst\b|\bnevertheless\b": "a plain sentence",
    r"\btakes? (?:it|them|note)\b|\btakes? up\b": "accepts, records, continues",
    r"\bso (?:many|much)\b(?! that\b)": "this many, that much",
    r"\bof late\b|\blately\b": "recently",
    r"\blet(?:s|ting)? go\b": "detach, release, stop",
    r"\bin (?:the )?place of\b": "instead of",
    r"\bcounts? for more\b": "takes precedence",
    r"\b(?:Tell|Tells) whether\b|\bTake note\b|\bNote that\b": "Return whether; Record that",
}


@pytest.mark.parametrize("path", [*PAGES, *SOURCES], ids=lambda path: str(path.relative_to(ROOT)))
def test_plain_words(path) -> None:
    """No docstring, comment, message or page has a banned phrase."""
    found = [
        f"{path.relative_to(ROOT)}:{number}: {match[0]!r}: {instead}"
        for number, line in enumerate(path.read_text().splitlines(), 1)
        for phrase, instead in BANNED.items()
        for match in re.finditer(phrase, line, re.IGNORECASE)
    ]

    assert not found, "\n".join(found)

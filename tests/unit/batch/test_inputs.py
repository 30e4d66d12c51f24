from __future__ import annotations

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiocdf.batch.inputs import BadRecord, Source, source
from aiocdf.errors import InvalidArgument


def opened(tmp_path, content: bytes, name: str = "in.jsonl") -> Source:
    path = tmp_path / name
    path.write_bytes(content)
    return asyncio.run(Source.open(path, None))


def everything(found: Source) -> list[tuple[int, object]]:
    """Return line and data, or what is wrong, of each record."""

    async def read():
        return [_told(record) async for chunk in found.chunks() for record in chunk]

    return asyncio.run(read())


def _told(record):
    try:
        return record.line, record.data()
    except BadRecord as error:
        return record.line, str(error)


def test_lines_are_numbered_as_an_editor_does(tmp_path):
    """Blank lines are counted, and are not inputs; a byte order mark and CRLF do not belong to the data."""
    found = opened(tmp_path, b'\xef\xbb\xbf{"x":1}\r\n\n  \n{"x":2}\n{"x":3}')

    assert everything(found) == [(1, {"x": 1}), (4, {"x": 2}), (5, {"x": 3})]
    assert found.total == 3


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"oops", "not JSON"),
        (b"[1]", "a JSON object, not list"),
        (b'{"x":"\xff"}', "not UTF-8"),
        (b'{"x":', "not JSON"),
        (b"[" * 100_000, "not JSON"),
    ],
)
def test_bad_line_says_why_and_leaves_the_others(tmp_path, line, why):
    """A faulty line is reported alone."""
    (first, bad, last) = everything(opened(tmp_path, b'{"x":1}\n' + line + b'\n{"x":2}\n'))

    assert (first, last) == ((1, {"x": 1}), (3, {"x": 2}))
    assert bad[0] == 2
    assert why in bad[1]


def test_csv_has_names_in_its_first_line(tmp_path):
    """A row is an object of texts; a quoted field may hold line breaks, and counts as it stands in the file."""
    found = opened(tmp_path, '\ufeffname,x\r\n"a\nb",1\r\n\r\n"é, ü",2\r\n'.encode(), "in.csv")

    assert everything(found) == [(2, {"name": "a\nb", "x": "1"}), (5, {"name": "é, ü", "x": "2"})]
    assert found.total == 2


@pytest.mark.parametrize(
    ("row", "why"), [(b"1", "1 fields"), (b"1,2,3", "3 fields"), (b'"a"b,2', "not CSV"), (b"\xff,2", "not UTF-8")]
)
def test_bad_row_says_why_and_leaves_the_others(tmp_path, row, why):
    """A row that does not fit the header, or is not CSV, is reported alone."""
    (first, bad, last) = everything(opened(tmp_path, b"a,b\n1,2\n" + row + b"\n3,4\n", "in.csv"))

    assert (first, last) == ((2, {"a": "1", "b": "2"}), (4, {"a": "3", "b": "4"}))
    assert why in bad[1]


@pytest.mark.parametrize("content", [b"", b"a,\n", b"a,a\n1,2\n", b"\xff,b\n"])
def test_csv_without_names_is_refused(tmp_path, content):
    """Without a usable header there is nothing to call the fields."""
    with pytest.raises(InvalidArgument):
        opened(tmp_path, content, "in.csv")


@pytest.mark.parametrize("name", ["in.txt", "in"])
def test_format_must_be_known(tmp_path, name):
    """The error for an unknown suffix says what to do."""
    with pytest.raises(InvalidArgument):
        opened(tmp_path, b"{}\n", name)


def test_file_that_is_not_there_is_told(tmp_path):
    """So is a file that is not readable."""
    with pytest.raises(InvalidArgument):
        asyncio.run(Source.open(tmp_path / "nowhere.jsonl", None))


def test_change_shows_in_the_fingerprint(tmp_path):
    """Any other content has another fingerprint, and only what was appended to is known to have grown."""
    before = opened(tmp_path, b'{"x":1}\n')
    changed = opened(tmp_path, b'{"x":2}\n')
    grown = opened(tmp_path, b'{"x":1}\n{"x":2}\n')

    assert len({each.fingerprint for each in (before, changed, grown)}) == 3
    assert asyncio.run(grown.has_grown_from(before.fingerprint))
    assert not asyncio.run(grown.has_grown_from(changed.fingerprint))
    assert not asyncio.run(before.has_grown_from(changed.fingerprint))


def test_pieces_are_bounded_by_records_and_bytes(tmp_path, monkeypatch):
    """However large the file, and its lines, a piece of it is small."""
    monkeypatch.setattr(source, "_RECORDS", 4)
    monkeypatch.setattr(source, "_BYTES", 100)
    found = opened(tmp_path, b'{"x":1}\n' * 10 + b'{"x":"%b"}\n' % (b"x" * 200) * 2)

    async def sizes():
        return [len(chunk) async for chunk in found.chunks()]

    assert asyncio.run(sizes()) == [4, 4, 3, 1]


def test_picked_records_are_those_of_the_lines(tmp_path):
    """Single records are found again by their lines."""
    found = opened(tmp_path, b"".join(b'{"x":%d}\n' % x for x in range(1, 2000)))

    picked = asyncio.run(found.pick([1500, 3]))
    assert [(record.line, record.data()) for record in picked] == [(3, {"x": 3}), (1500, {"x": 1500})]
    assert asyncio.run(found.pick([])) == []


@given(st.lists(st.dictionaries(st.text(), st.text() | st.integers() | st.none(), max_size=3), max_size=30))
def test_what_is_written_is_read(tmp_path_factory, objects):
    """Whatever JSON objects are written, one a line, are the data, in order."""
    content = "".join(json.dumps(each) + "\n" for each in objects).encode()

    found = opened(tmp_path_factory.mktemp("inputs"), content)
    assert everything(found) == list(enumerate(objects, 1))


@pytest.mark.parametrize(("value", "key"), [('"a"', '"a"'), ("7", "7"), ('"é"', '"\\u00e9"')])
def test_key_is_a_text_or_a_number(tmp_path, value, key):
    """A key is kept as JSON, so that 7 and "7" are two."""
    found = opened(tmp_path, b'{"id": %b}\n' % value.encode())

    (record,) = asyncio.run(found.pick([1]))
    assert record.key("id") == key


@pytest.mark.parametrize("value", [b"null", b"1.5", b"true", b"[]"])
def test_what_cannot_be_a_key_is_told(tmp_path, value):
    """A key that is missing or of another kind makes its record a bad one."""
    found = opened(tmp_path, b'{"id": %b}\n' % value)

    (record,) = asyncio.run(found.pick([1]))
    with pytest.raises(BadRecord):
        record.key("id")

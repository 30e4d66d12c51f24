from __future__ import annotations

import io
import zipfile

from hypothesis import given
from hypothesis import strategies as st

from aiocdf._bundle.archive import pack

PATHS = st.lists(st.text("abc.é", min_size=1), min_size=1, max_size=3).map("/".join)
FILES = st.dictionaries(PATHS, st.binary(max_size=50), max_size=5)


@given(FILES, st.randoms())
def test_same_files_give_the_same_bytes(files, random) -> None:
    """The zip file depends on paths and contents alone, not on the order in which the files were read."""
    shuffled = list(files.items())
    random.shuffle(shuffled)

    assert pack(files) == pack(dict(shuffled))


@given(FILES, FILES)
def test_digest_tells_files_apart(one, other) -> None:
    """Two sets of files have the same digest only if they are the same."""
    assert (pack(one).digest == pack(other).digest) == (one == other)


@given(FILES)
def test_contents_come_back(files) -> None:
    """The zip file has each file, and the package says how large each is."""
    package = pack(files)

    with zipfile.ZipFile(io.BytesIO(package.content)) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == files
    assert package.files == {path: len(content) for path, content in files.items()}
    assert package.size == len(package.content)


def test_entries_have_fixed_times_and_modes() -> None:
    """Each file of the zip file is a regular one that all may read, of one time."""
    with zipfile.ZipFile(io.BytesIO(pack({"b": b"", "a": b""}).content)) as archive:
        assert [(each.filename, each.date_time, oct(each.external_attr >> 16)) for each in archive.infolist()] == [
            ("a", (1980, 1, 1, 0, 0, 0), "0o100644"),
            ("b", (1980, 1, 1, 0, 0, 0), "0o100644"),
        ]

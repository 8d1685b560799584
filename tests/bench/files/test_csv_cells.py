"""Rows with another number of cells than the header are named."""

from __future__ import annotations

import gzip

import pytest

from bench.errors import DataError
from bench.files.csv_cells import check_cells


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n1,2\n1,2,3\n", "line 3 has 1 cell too many: '1,2,3' (3 cells, the header has 2; 1 such row). Remove it"),
        ("a,b\n1,2,3,4\n1,2\n1\n", "line 2 has 2 cells too many: '1,2,3,4' (4 cells, the header has 2; 2 such rows)"),
        ("a,b\n1,2,\n3,4,\n", "line 2 has 1 cell too many: '1,2,' (3 cells, the header has 2; 2 such rows)"),
        ("a,b,c\r\n1,2,3\r\n\r\n1,2\r\n", "line 4 has 1 cell too few: '1,2' (2 cells, the header has 3"),
        ('a,b\n"1\n2",3\n4,"5,6",7\n', "line 4 has 1 cell too many"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_the_first_odd_row_is_named(tmp_path, text, words, packed):
    path = tmp_path / ("table.csv.gz" if packed else "table.csv")
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    with pytest.raises(DataError) as caught:
        check_cells(path)
    assert f"{path} {words}" in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"a,b\n",
        b"\xef\xbb\xbfa,b\r\n1,2\r\n\r\n",
        b'a,b\n"1,2",3\n',
        b"a,b\n1,10,20\n2,11,21\n",  # names of the rows, as R writes them
        b"\x00\xff\xfe\x81" * 50,
        b"PK\3\4 something else",
    ],
)
def test_other_files_are_the_readers_to_judge(tmp_path, content):
    (tmp_path / "table.csv").write_bytes(content)
    check_cells(tmp_path / "table.csv")
    check_cells(tmp_path)
    check_cells(tmp_path / "absent.csv")

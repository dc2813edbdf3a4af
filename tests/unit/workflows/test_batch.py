"""Reading the items of a batch from a file."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy.errors import InvalidInput
from roadworthy.workflows.batch import _reader, read_items


@pytest.fixture
def read(tmp_path: Path):
    """Write bytes to a file of that name and read its items, as (number, line, value or reason)."""

    def read_file(name: str, content: bytes):
        file = tmp_path / name
        file.write_bytes(content)
        return [(item.number, item.line, item.reason or item.value) for item in _reader(file)(file)]

    return read_file


def test_every_line_of_jsonl_is_an_item_and_empty_ones_are_none(read):
    """Numbers count items, lines count lines; a byte order mark is no part of the first one."""
    content = b'\xef\xbb\xbf{"a": 1}\n\n  \n{"a": "\xc3\xa9"}\r\n[2]'
    assert read("x.jsonl", content) == [(1, 1, {"a": 1}), (2, 4, {"a": "é"}), (3, 5, [2])]


def test_a_line_that_cannot_be_read_is_named_and_the_others_are_read(read):
    """Invalid UTF-8, half a line, and brackets without end."""
    items = read("x.ndjson", b'{"a": 1}\n{"a": "\xff"}\n{"a": \n' + b"[" * 100_000 + b'\n{"a": 2}\n')
    assert [item[2] for item in items if isinstance(item[2], dict)] == [{"a": 1}, {"a": 2}]
    reasons = [str(item[2]) for item in items if not isinstance(item[2], dict)]
    assert reasons[0] == "line 2 is not valid UTF-8 (byte 7)."
    assert reasons[1].startswith("line 3 is not JSON")
    assert reasons[2].startswith("line 4 is not JSON")


def test_a_row_of_csv_is_an_item_named_by_the_header(read):
    """Quoted fields may hold commas and line ends."""
    content = b'\xef\xbb\xbfid,text\n1,"a, b"\n2,"two\nlines"\n'
    assert [item[2] for item in read("x.csv", content)] == [
        {"id": "1", "text": "a, b"},
        {"id": "2", "text": "two\nlines"},
    ]


def test_a_row_of_csv_that_does_not_fit_the_header_is_named(read):
    """Too many fields, too few, and bytes that are no text."""
    items = read("x.csv", b"id,text\n1,a,b\n2\n3,\xff\n4,d\n")
    assert [str(item[2]) for item in items[:3]] == [
        "line 2 has more fields than the header.",
        "line 3 has no value for text.",
        "line 4 is not valid UTF-8.",
    ]
    assert items[3][2] == {"id": "4", "text": "d"}


@pytest.mark.parametrize("content", [b"", b"\n", b"id,text\n"])
def test_a_file_without_items_has_none(read, content):
    """Nothing is made up."""
    assert [item for item in read("x.csv", content) if isinstance(item[2], dict)] == []


def test_another_kind_of_file_is_refused_with_what_to_do(tmp_path):
    """Before anything is read."""
    with pytest.raises(InvalidInput, match=r"x\.xlsx"):
        read_items(tmp_path / "x.xlsx")


@given(content=st.binary(max_size=300), name=st.sampled_from(["x.jsonl", "x.csv"]))
def test_no_content_takes_the_reader_down(tmp_path_factory, content, name):
    """Every item has a value or a reason, whatever the bytes are."""
    file = tmp_path_factory.mktemp("any") / name
    file.write_bytes(content)
    for item in _reader(file)(file):
        assert item.number >= 1
        assert item.reason or item.value is not None or name == "x.jsonl"

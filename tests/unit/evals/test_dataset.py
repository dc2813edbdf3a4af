"""Files of cases: what may stand in them, what is told of what may not, and how they grow."""

import json

import pytest

from roadworthy.errors import ConfigurationError
from roadworthy.evals import Case
from roadworthy.evals.dataset import append, read, write

GOOD = (
    b'{"id": "a", "inputs": {"t": "x"}, "expected": {"y": 1}, "tags": ["edge"], "source": "s", "note": "n"}'
)


@pytest.mark.parametrize("between", [b"\n", b"\r\n", b"\n\n \n"])
def test_lines_are_cases(tmp_path, between):
    """With a byte order mark, Windows' ends of lines, and empty lines."""
    path = tmp_path / "cases.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + between.join([GOOD, b'{"id": "b", "inputs": {}}']))
    found = read(path)
    assert found.cases == (Case("a", {"t": "x"}, {"y": 1}, ("edge",), "s", "n"), Case("b", {}))
    assert found.faults == ()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"{", "this is not JSON"),
        (b"[" * 100_000, "this is not JSON"),
        (b'{"id": "\xff"}', "this is not JSON"),
        (b'{"id": "b", "inputs": {"n": NaN}}', "this is not JSON (NaN is no number)"),
        (b'{"id": "b", "inputs": {}, "expected": {"q": 1, "q": 2}}', "this is not JSON ('q' stands twice"),
        (b'{"id": "b\\n", "inputs": {}}', "`id` has characters that cannot be shown"),
        (b'{"id": "\\ud800", "inputs": {}}', "`id` has characters that cannot be shown"),
        (b"[]", "a case is a JSON object"),
        (b'{"inputs": {}}', "`id` is missing, or no text"),
        (b'{"id": "b"}', "`inputs` is missing, or no object"),
        (b'{"id": "b", "inputs": {}, "tags": "edge"}', "`tags` is a list of words"),
        (b'{"id": "b", "inputs": {}, "note": 1}', "`note` is a text"),
        (b'{"id": "b", "inputs": {}, "expect": 1}', "there is no field 'expect'. Did you mean 'expected'?"),
        (b'{"id": "a", "inputs": {}}', "the id 'a' stands in line 1 already"),
    ],
)
def test_what_is_no_case_is_told_with_its_line(tmp_path, line, words):
    """The rest is used where that is asked for."""
    path = tmp_path / "cases.jsonl"
    path.write_bytes(GOOD + b"\n" + line + b'\n{"id": "c", "inputs": {}}\n')
    with pytest.raises(ConfigurationError) as caught:
        read(path)
    assert f"line 2: {words}" in str(caught.value)
    assert "--keep-going" in caught.value.hint
    found = read(path, keep_going=True)
    assert [case.id for case in found.cases] == ["a", "c"]
    assert [fault.line for fault in found.faults] == [2]


@pytest.mark.parametrize("content", [None, b"", b"\n"])
def test_a_data_set_without_cases_is_refused(tmp_path, content):
    """Also one without a file."""
    path = tmp_path / "cases.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError):
        read(path)


def test_what_is_appended_leaves_the_rest_as_it_is(tmp_path):
    """Byte for byte, also behind a last line without an end; half characters become whole ones."""
    path = tmp_path / "evals" / "cases.jsonl"
    append(path, [Case("a", {"t": "é"})])
    own = b'{"inputs":{ },   "id":"b"}'
    path.write_bytes(path.read_bytes() + own)
    append(path, [Case("c", {"t": "\ud800"})])
    lines = path.read_bytes().split(b"\n")
    assert lines[0] == '{"id": "a", "inputs": {"t": "é"}}'.encode()
    assert lines[1] == own
    assert json.loads(lines[2]) == {"id": "c", "inputs": {"t": "?"}}
    assert [case.id for case in read(path).cases] == ["a", "b", "c"]


def test_what_is_written_is_read_again(tmp_path):
    """And its hash does not depend on the order of cases, or of keys."""
    path = tmp_path / "cases.jsonl"
    cases = [Case("a", {"x": 1, "y": [None]}, "e", ("t",), "s", "n"), Case("b", {}, False)]
    write(path, cases)
    found = read(path)
    assert list(found.cases) == cases
    write(path, [Case("b", {}, False), Case("a", {"y": [None], "x": 1}, "e", ("t",))])
    assert read(path).content_hash == found.content_hash


def test_many_faults_are_counted(tmp_path):
    """The first ones are told in full, with the suite whose data set it is."""
    path = tmp_path / "reply" / "cases.jsonl"
    path.parent.mkdir()
    path.write_text(json.dumps({"id": "a", "inputs": {}}) + "\n{" * 7)
    with pytest.raises(ConfigurationError, match=r"'reply/cases.jsonl' has faults: .* And 2 more\."):
        read(path)

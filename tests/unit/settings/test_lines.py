"""The line of every key, for every way in which TOML can say it."""

import json
import tomllib
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from roadworthy.settings.layers import walk
from roadworthy.settings.lines import MAX_DEPTH, TooDeepError, find_lines

EVERYTHING = Path(__file__).with_name("everything.toml").read_text("utf-8")


def test_every_form_of_key_has_its_line():
    """One document with every form of the language has each key on the line where an editor shows it."""
    lines = find_lines(EVERYTHING)
    assert lines[("title",)] == 2
    assert lines[("a",)] == lines[("a", "b", "c")] == 3
    assert lines[("quoted.key",)] == 4
    assert lines[('literal "key"',)] == 5
    assert lines[("text",)] == 6
    assert lines[("raw",)] == 9
    assert lines[("day",)] == 11
    assert lines[("list", 0)] == lines[("list", 1, 0)] == 13
    assert lines[("list", 1, 1)] == 14
    assert lines[("list", 2, "y", "z")] == 15
    assert lines[("list", 3)] == 16
    assert lines[("inline", "p", "q", 0, "r")] == lines[("inline", "s t")] == 18
    assert lines[("table", "sub.one")] == 20
    assert lines[("table", "sub.one", "k")] == 21
    assert lines[("many",)] == lines[("many", 0)] == 22
    assert lines[("many", 0, "inner", "i")] == 25
    assert lines[("many", 0, "deep", 1, "d")] == 29
    assert lines[("many", 1)] == 30
    assert lines[("many", 1, "inner", "i")] == 32
    assert lines[("table",)] == 33
    assert set(lines) == {key for key, _ in walk(tomllib.loads(EVERYTHING))}


def test_windows_line_ends_count_as_one_line():
    """A file from Windows has the same lines."""
    assert find_lines('a = 1\r\n[b]\r\nc = """\r\n\r\n"""\r\nd = 2\r\n') == {
        ("a",): 1,
        ("b",): 2,
        ("b", "c"): 3,
        ("b", "d"): 6,
    }


LONG = ".".join("a" * 40)


@pytest.mark.parametrize("text", ["a = " + "[" * 40 + "]" * 40, f"{LONG} = 1", f"[{LONG}]", f"[[{LONG}]]"])
def test_nesting_has_a_limit(text):
    """Lists, keys and headers that nest without end are refused on their line."""
    with pytest.raises(TooDeepError) as caught:
        find_lines("\n" + text)
    assert caught.value.line == 2
    assert MAX_DEPTH < 40


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
hostile = st.sampled_from(['"""', "'''", "#", "]", "}", "[x]", "a = 1", "\n", "\\", '\\"', ",", "=", "."])
strings = st.lists(texts | hostile, max_size=4).map("".join)
names = st.sampled_from(["a", "b-c", "d_1", "1"]) | strings


def quoted(text: str) -> str:
    """A basic string of TOML: JSON's escapes, and DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def multi_line(text: str) -> str:
    """The same as a string over several lines where that changes nothing."""
    return '"""\n' + quoted(text)[1:-1].replace("\\n", "\n") + '"""'


scalars = (
    st.integers(-(10**9), 10**9).map(str)
    | st.sampled_from(["true", "1e5", "-inf", "1979-05-27T07:32:00Z", "1979-05-27 07:32:00", "0xD", "''"])
    | strings.map(quoted)
    | strings.map(multi_line)
)
gaps = st.sampled_from(["", " ", "\n", "\n  # ],}\"'\n", "\t"])


@st.composite
def arrays(draw, values):
    """Lists with line breaks and comments wherever they may stand."""
    items = draw(st.lists(values, max_size=3))
    return "[" + ",".join(draw(gaps) + item + draw(gaps) for item in items) + draw(gaps) + "]"


@st.composite
def inline_tables(draw, values):
    """Tables within a line."""
    table = draw(st.dictionaries(names, values, max_size=3))
    return "{" + ", ".join(f"{quoted(name)} = {value}" for name, value in table.items()) + "}"


values = st.recursive(scalars, lambda inner: arrays(inner) | inline_tables(inner), max_leaves=6)


@st.composite
def documents(draw):
    """Headers, arrays of tables and dotted keys in any order; some are not valid."""
    parts = []
    for number in range(draw(st.integers(0, 5))):
        name = draw(st.sampled_from(["t", "u v", "w.x"])) + str(draw(st.integers(0, 2)))
        many = draw(st.booleans())
        head = f"{quoted(name + 'many')}" if many else f"{quoted(name)}.s{number}"
        parts.append(f"[[{head}]] # ]\n" if many else f"[ {head} ]\n")
        for key, value in draw(st.dictionaries(names, values, max_size=3)).items():
            dotted = draw(st.sampled_from(["", ".x", ' . "y.z"']))
            parts.append(f"{quoted(key)}{dotted} = {value}{draw(st.sampled_from(['', ' # c', '  ']))}\n")
        parts.append(draw(gaps) + "\n")
    return "".join(parts)


@pytest.mark.slow
@settings(deadline=None, max_examples=80)
@given(documents())
@example(EVERYTHING)
def test_the_finder_finds_exactly_what_tomllib_reads(text):
    """Every key and list item of a document that tomllib accepts has a line, and nothing else has."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    lines = find_lines(text)
    assert set(lines) == {key for key, _ in walk(data)}
    count = text.count("\n") + 1
    assert all(1 <= line <= count for line in lines.values())


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(names, values), max_size=6, unique_by=lambda pair: pair[0]))
def test_the_line_is_the_one_on_which_the_key_begins(pairs):
    """Whatever values stand before it, a key's line is the number of line breaks before it, plus one."""
    text, expected = "", {}
    for name, value in pairs:
        expected[(name,)] = text.count("\n") + 1
        text += f"{quoted(name)} = {value}\n"
    lines = find_lines(text)
    assert {key: lines[key] for key in expected} == expected

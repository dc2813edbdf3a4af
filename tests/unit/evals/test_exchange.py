"""Files of other tools: what is read, what is told as left, and that what is written can be read again."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roadworthy.errors import ConfigurationError
from roadworthy.evals import Case
from roadworthy.evals.exchange import Columns, Format, export, import_
from roadworthy.evals.suite import load_suite

YAML = """
# yaml-language-server: $schema=./cases_schema.json
name: capitals
cases:
- name: france
  inputs: {question: What is the capital of France?}
  expected_output: Paris
  metadata: {tags: [common], difficulty: easy, source: wiki}
  evaluators:
  - LLMJudge: {rubric: polite}
- inputs: Germany
  expected_output: 2026-01-31
- expected_output: lost
evaluators:
- EqualsExpected
- Contains: {value: Par, case_sensitive: false}
- MaxDuration: 2
- IsInstance: str
- Contains: {value: {city: Paris}}
- Polite: {words: [please, thanks], strict: null}
- Short: 7
- MaxToolCalls: {max_calls: 2}
"""


def test_a_data_set_of_pydantic_evals(tmp_path):
    """Cases, tags and evaluators are taken over; what is not is told."""
    path = tmp_path / "capitals.yaml"
    path.write_text(YAML)
    found = import_(path, Format.of(path))
    assert [one.as_json() for one in found.cases] == [
        {
            "id": "france",
            "inputs": {"question": "What is the capital of France?"},
            "expected": "Paris",
            "tags": ["common"],
            "source": "wiki",
        },
        {"id": "case-2", "inputs": {"input": "Germany"}, "expected": "2026-01-31"},
    ]
    assert [str(one) for one in found.faults] == ["capitals.yaml: Case 3: it has no `inputs`."]
    assert found.left == {
        "evaluator 'LLMJudge' of one case": 1,
        "metadata 'difficulty'": 1,
        "evaluator 'Short' of the data set": 1,
        "evaluator 'MaxToolCalls' of the data set": 1,
    }
    assert found.evaluators == (
        {"kind": "exact"},
        {"kind": "contains", "all": ["Par"], "case_sensitive": False},
        {"kind": "latency", "at_most_seconds": 2.0},
        {"kind": "pydantic-evals", "evaluator": "IsInstance", "options": {"type_name": "str"}},
        {
            "kind": "pydantic-evals",
            "evaluator": "Contains",
            "options": {"value": {"city": "Paris"}},
        },
        {
            "kind": "pydantic-evals",
            "evaluator": "MODULE:Polite",
            "options": {"words": ["please", "thanks"]},
        },
    )


def test_samples_of_inspect(tmp_path):
    """Also conversations and choices; files of a sandbox are told."""
    lines = [
        {"input": "2+2?", "target": "4", "id": 1, "metadata": {"tags": ["edge"]}},
        {
            "input": [{"role": "user", "content": "Hi"}],
            "target": ["a", "b"],
            "choices": ["a", "b"],
            "files": {},
        },
    ]
    path = tmp_path / "samples.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join([*map(json.dumps, lines), "{", "[]"]).encode())
    found = import_(path, Format.INSPECT)
    assert [one.as_json() for one in found.cases] == [
        {"id": "1", "inputs": {"input": "2+2?"}, "expected": "4", "tags": ["edge"]},
        {
            "id": "case-2",
            "inputs": {"input": [{"role": "user", "content": "Hi"}], "choices": ["a", "b"]},
            "expected": ["a", "b"],
        },
    ]
    assert found.left == {"'files'": 1}
    assert [one.line for one in found.faults] == [3, 4]


def test_a_table(tmp_path):
    """Columns are inputs by their names, unless they are named otherwise."""
    path = tmp_path / "cases.csv"
    path.write_text('nr,question,answer,tags\n1,"What,\nnow?",Paris,"edge; common"\n2,too few\n')
    found = import_(path, Format.CSV, Columns({"id": "nr", "expected": "answer"}))
    assert [one.as_json() for one in found.cases] == [
        {"id": "1", "inputs": {"question": "What,\nnow?"}, "expected": "Paris", "tags": ["edge", "common"]}
    ]
    assert [(one.line, one.message) for one in found.faults] == [(4, "2 values, and there are 4 columns.")]
    with pytest.raises(ConfigurationError, match=r"no column 'answr'.* Did you mean 'answer'"):
        import_(path, Format.CSV, Columns({"expected": "answr"}))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(st.characters(codec="utf-8"), max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=3)
    ),
    max_leaves=6,
)
CASES = st.lists(
    st.builds(
        Case,
        st.text("abc-1", min_size=1, max_size=8),
        st.dictionaries(st.sampled_from(["input", "ticket", "choices"]), JSON, min_size=1),
        JSON.filter(lambda value: value not in ("", [], {})),
        st.lists(st.sampled_from(["edge", "mine"]), unique=True).map(tuple),
        st.sampled_from(["", "run_1"]),
        st.sampled_from(["", "because"]),
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda case: case.id,
)


@pytest.mark.parametrize("form", [Format.PYDANTIC_EVALS, Format.INSPECT, Format.JSONL])
@settings(max_examples=25)
@given(cases=CASES)
def test_what_is_written_is_read_again(tmp_path_factory, form, cases):
    """Every input, expectation, tag, source and note."""
    path = tmp_path_factory.mktemp("exchange") / "file"
    path.write_text(export(cases, None, form, "mine").text, encoding="utf-8")
    found = import_(path, form)
    assert (list(found.cases), found.faults, dict(found.left)) == (cases, (), {})


def test_evaluators_are_written_where_the_other_tool_has_them(tmp_path):
    """Others are told by name."""
    (tmp_path / "suite.toml").write_text(
        '[[evaluators]]\nkind = "exact"\n[[evaluators]]\nkind = "contains"\nall = ["x"]\n'
        '[[evaluators]]\nkind = "regex"\npattern = "x"\n'
        '[[evaluators]]\nkind = "pydantic-evals"\nevaluator = "tone:Polite"\noptions = { strict = true }\n'
    )
    suite = load_suite(tmp_path)
    made = export([Case("a", {"b": 1})], suite.settings, Format.PYDANTIC_EVALS, "mine")
    for its in ("Contains:\n    value: x\n    case_sensitive: false", "Polite:\n    strict: true"):
        assert f"- {its}\n" in made.text
    assert dict(made.left) == {"evaluator 'regex'": 1}


@pytest.mark.parametrize(
    ("form", "content", "words"),
    [
        (Format.PYDANTIC_EVALS, b"a: [", "not YAML"),
        (Format.PYDANTIC_EVALS, b"a: 1", "no list `cases`"),
        (Format.PYDANTIC_EVALS, b"cases: []", "has no cases"),
        (Format.INSPECT, b"\xff", "cannot be read"),
        (Format.CSV, b"", "has no cases"),
    ],
)
def test_a_file_of_another_kind_is_refused(tmp_path, form, content, words):
    """In words, without a traceback."""
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=words):
        import_(path, form)


def test_two_cases_of_one_id_are_a_fault(tmp_path):
    """The first one counts."""
    path = tmp_path / "file"
    path.write_text('{"input": "a", "id": "x"}\n{"input": "b", "id": "x"}\n')
    found = import_(path, Format.INSPECT)
    assert [one.inputs for one in found.cases] == [{"input": "a"}]
    assert [str(one) for one in found.faults] == ["file:2: There are two cases 'x'."]

"""Labels by people: how they are read, which outputs they are about, and what is wrong with them."""

import json

import pytest

from roadworthy.errors import ConfigurationError, InvalidInput
from roadworthy.evals import Outcome, Result
from roadworthy.evals.judging import Label, read_labels
from roadworthy.evals.judging.labels import matched, output_hash, require_both_kinds


def result(case, output="yes", repeat=0):
    """A result without scores."""
    return Result(case, repeat, (), "hash", Outcome(output=output))


def written(folder, *lines, name="labels.jsonl"):
    """A file with these lines."""
    file = folder / name
    file.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))
    return file


def test_lines_and_tables_say_the_same(tmp_path):
    """JSON lines and CSV; what is not labelled yet is passed over."""
    lines = written(
        tmp_path, {"case": "a", "passed": True}, {"case": "b", "passed": False, "repeat": 2}, {"case": "c"}
    )
    table = written(tmp_path, "case,passed,repeat", "a,yes,", "b,Fail,2", "c,,", name="labels.csv")
    assert read_labels(lines) == (Label("a", True, line=1), Label("b", False, 2, line=2))
    assert [(one.case, one.passed, one.repeat) for one in read_labels(table)] == [
        ("a", True, 0),
        ("b", False, 2),
    ]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", "no JSON"),
        ("[1]", "no object"),
        ({"passed": True}, "'case' is missing"),
        ({"case": "a", "passed": "perhaps"}, "true or false, not 'perhaps'"),
        ({"case": "a", "passed": True, "repeat": -1}, "'repeat' is no whole number"),
        ({"case": "a", "pased": True}, "Did you mean 'passed'"),
        ({"case": "first", "passed": True}, "has a label in line 1 already"),
    ],
)
def test_a_line_that_cannot_be_used_is_named(tmp_path, line, told):
    """With its number and what is wrong with it."""
    file = written(tmp_path, {"case": "first", "passed": True}, line)
    with pytest.raises(ConfigurationError, match=r"Line 2: ") as raised:
        read_labels(file)
    assert told in str(raised.value)


def test_a_file_without_a_label_says_so(tmp_path):
    """A sheet that nobody filled in, and a file that is not there."""
    with pytest.raises(InvalidInput, match="is labelled"):
        read_labels(written(tmp_path, {"case": "a", "passed": None}))
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_labels(tmp_path / "none.jsonl")


def test_a_label_with_a_hash_holds_for_that_output_only():
    """In whichever repeat it is; a label of another output is counted and left out."""
    results = [result("a", "yes"), result("a", "no", repeat=1), result("b", "no")]
    labels = [Label("a", True, 0, output_hash(Outcome(output="no"))), Label("b", False, 0, "another")]
    found = matched(labels, results)
    assert (found.labels, found.others) == ({("a", 1): True}, 1)


def test_a_label_without_a_hash_holds_for_the_repeat_it_names():
    """The first one, where it names none."""
    assert matched([Label("a", True), Label("a", False, 1)], [result("a"), result("a", repeat=1)]).labels == {
        ("a", 0): True,
        ("a", 1): False,
    }


def test_what_cannot_be_matched_is_told():
    """Unknown cases, no overlap at all, and two words on one output."""
    with pytest.raises(InvalidInput, match="1 labelled cases are not in the experiment: 'z'"):
        matched([Label("a", True), Label("z", True)], [result("a")])
    with pytest.raises(InvalidInput, match="None of the 1 labels"):
        matched([Label("a", True, 3)], [result("a")])
    same = output_hash(Outcome(output="yes"))
    with pytest.raises(InvalidInput, match="both yes and no"):
        matched([Label("a", True, 0, same), Label("a", False)], [result("a")])


def test_one_kind_of_label_says_nothing_beyond_chance():
    """Kappa is not defined then."""
    with pytest.raises(InvalidInput, match="all 2 outputs passed"):
        require_both_kinds({("a", 0): True, ("b", 0): True})

"""Eval results are read from JSONL and CSV, or refused with the line that is wrong."""

import hashlib
import json
from pathlib import Path

import pytest

from roadworthy.errors import InvalidInput
from roadworthy.models.learned import Case, read_results

GOOD = {"id": "t-1", "text": "Where is my parcel?", "scores": {"small": 0, "large": 1}}


def write(folder: Path, *rows: object, name: str = "results.jsonl") -> Path:
    """A file with these lines."""
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / name


def read(path: Path):
    """The results for the two models of all tests."""
    return read_results(path, cheap="small", strong="large")


def test_a_line_is_a_case(tmp_path):
    """Text and the two scores are kept, with the hash of the file."""
    path = write(tmp_path, GOOD, "", {"text": "Thanks", "scores": {"small": 0.5, "large": 0.25, "other": 9}})
    found = read(path)
    assert found.cases == (Case("Thanks", 0.5, 0.25), Case("Where is my parcel?", 0.0, 1.0))
    assert [case.loss for case in found.cases] == [-0.25, 1.0]
    assert found.lines == 2
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_inputs_stand_for_text(tmp_path):
    """A line with a prompt's inputs is read as the text in them."""
    path = write(tmp_path, {**GOOD, "text": None, "inputs": {"ticket": {"text": "Late"}, "amount": 5}})
    assert read(path).cases[0].text == "5\nLate"


def test_csv_has_a_column_for_each_model(tmp_path):
    """Quoted texts may have several lines; true and false are 1 and 0."""
    path = write(tmp_path, "id,text,small,large", '1,"One,\ntwo",true,1.0', "2,Three,0.5,FALSE", name="r.csv")
    assert read(path).cases == (Case("One,\ntwo", 1.0, 1.0), Case("Three", 0.5, 0.0))


def test_passed_and_failed_are_scores(tmp_path):
    """A grader that says true or false is as good as one that says 1 or 0."""
    assert read(write(tmp_path, {**GOOD, "scores": {"small": False, "large": True}})).cases[0].loss == 1.0


def test_the_same_words_are_one_case(tmp_path):
    """A text that was tried three times counts once, with the mean of its scores."""
    again = {"text": "where is my PARCEL", "scores": {"small": 1, "large": 1}}
    found = read(write(tmp_path, GOOD, again, again))
    assert found.lines == 3
    (case,) = found.cases
    assert case.cheap == pytest.approx(2 / 3)
    assert case.strong == 1.0


def test_a_byte_order_mark_is_no_part_of_the_first_line(tmp_path):
    """Files from Windows are read."""
    (tmp_path / "a.jsonl").write_text(json.dumps(GOOD), encoding="utf-8-sig")
    (tmp_path / "a.csv").write_text("text,small,large\nHi,1,1\n", encoding="utf-8-sig")
    assert read(tmp_path / "a.jsonl").lines == read(tmp_path / "a.csv").lines == 1


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("{", "this is not JSON."),
        ("[1]", "this is not an object"),
        ("[" * 100_000, "this is not JSON."),
        ({"scores": {"small": 1, "large": 1}}, "it has neither 'text' nor 'inputs'."),
        ({**GOOD, "scores": None}, "it has no 'scores'"),
        (
            {**GOOD, "scores": {"large": 1, "smal": 1}},
            "it has no score of model 'small'. Did you mean 'smal'?",
        ),
        ({**GOOD, "scores": {"small": 1, "large": 1.2}}, "the score of model 'large' is not a number"),
        ({**GOOD, "scores": {"small": "1", "large": 1}}, "the score of model 'small' is not a number"),
        ('{"text": "x", "scores": {"small": NaN, "large": 1}}', "the score of model 'small' is not a number"),
    ],
)
def test_a_line_that_cannot_be_used_is_named(tmp_path, row, said):
    """The message gives the line and what is wrong with it; nothing is left out silently."""
    with pytest.raises(InvalidInput, match="1 of the results") as caught:
        read(write(tmp_path, GOOD, row))
    assert f"line 2: {said}" in caught.value.message
    assert caught.value.details["faults"][0].startswith("line 2: ")


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (("text,small,large",), "There are no results"),
        ((), "have no column 'text'"),
        (("small,large", "1,1"), "have no column 'text'"),
        (("text,small,large", '"open,1,1'), "are not valid CSV"),
        (("text,small", "Hi,1"), "no score of model 'large'"),
        (("text,small,large", "Hi,1,"), "the score of model 'large' is not a number"),
    ],
)
def test_a_csv_file_that_cannot_be_used_is_refused(tmp_path, lines, said):
    """What is wrong with the file is said in one sentence."""
    with pytest.raises(InvalidInput, match=said):
        read(write(tmp_path, *lines, name="results.csv"))


def test_a_file_that_is_not_there_or_no_text_is_refused(tmp_path):
    """No traceback for a mistyped name or a binary file."""
    with pytest.raises(InvalidInput, match=r"'.*gone\.jsonl' cannot be read"):
        read(tmp_path / "gone.jsonl")
    (tmp_path / "r.csv").write_bytes(b"text,small,large\n\xff\xfe,1,1\n")
    with pytest.raises(InvalidInput, match="not in UTF-8"):
        read(tmp_path / "r.csv")
    (tmp_path / "r.jsonl").write_bytes(b"\xff\xfe\n")
    with pytest.raises(InvalidInput, match="line 1: this is not JSON"):
        read(tmp_path / "r.jsonl")

"""What is kept of a judge: which one may decide, and what a file that was changed by hand says."""

from dataclasses import replace

import pytest

from roadworthy.errors import ConfigurationError
from roadworthy.evals import Outcome, Result, Score
from roadworthy.evals.judging import Record, compare, read_record, write_record
from roadworthy.evals.judging.labels import output_hash
from roadworthy.evals.judging.record import Known
from roadworthy.evals.suite import JudgesSettings

RULES = JudgesSettings()
KNOWN = Known("tone", "v1", 50, 0.6, 0.4, 0.8, 0.9, None, -2.0, "exp_1", "2026-11-21T00:00:00Z")


def test_what_is_written_is_read(tmp_path):
    """Judges and labels, one line each."""
    record = Record({"tone": KNOWN}, {"b": {"2": False}, "a": {"1": True}})
    file = tmp_path / "judges.json"
    write_record(file, record)
    assert read_record(file) == record
    assert '"a": {"1": true},\n"b": {"2": false}' in file.read_text()
    assert read_record(tmp_path / "none.json") == Record()


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"form": 1}', '{"form": 2}', '{"form": 1, "judges": {"a": {"labels": "x"}}}']
)
def test_a_damaged_file_is_an_error(tmp_path, text):
    """It is never taken for one without judges."""
    (tmp_path / "judges.json").write_text(text)
    with pytest.raises(ConfigurationError, match=r"judges\.json"):
        read_record(tmp_path / "judges.json")


@pytest.mark.parametrize(
    ("change", "version", "why"),
    [
        ({}, "v1", ""),
        ({}, "v2", "changed since"),
        ({"labels": 49}, "v1", "needs 1 more"),
        ({"kappa": 0.59}, "v1", "kappa 0.59, 0.6 is asked for"),
    ],
)
def test_only_this_very_judge_may_decide(change, version, why):
    """With labels and agreement enough; another prompt, model or setting is another judge."""
    record = Record({"tone": replace(KNOWN, **change)})
    assert (record.calibrated("tone", version, RULES) is not None) == (why == "")
    assert why in record.why_not("tone", version, RULES)
    assert record.calibrated("other", "v1", RULES) is None
    assert "needs 50 labels" in record.why_not("other", "v1", RULES)


def test_labels_are_found_by_the_output_they_are_about():
    """The same output in another experiment has its label; another output has none."""
    record = Record({}, {"a": {output_hash(Outcome(output="x")): True}})
    results = [Result("a", 0, (), "", Outcome(output="x")), Result("a", 1, (), "", Outcome(output="y"))]
    assert record.labels_of(results) == {("a", 0): True}


def results_of(*said):
    """One case each, with a judge's word."""
    return [
        Result(str(number), 0, (), "", Outcome(output=number), (Score("tone", passed),))
        for number, passed in enumerate(said)
    ]


def test_a_judge_is_held_against_people():
    """A lenient judge: its share comes down to what people would have found."""
    people = [True] * 30 + [False] * 20
    judge = [True] * 30 + [True] * 5 + [False] * 15
    rest = [True] * 140 + [False] * 60
    labels = {(str(number), 0): passed for number, passed in enumerate(people)}
    found = compare("tone", "v1", results_of(*judge, *rest), labels)
    assert (found.agreement.sensitivity, found.agreement.specificity) == (1.0, 0.75)
    assert found.agreement.bias_points == pytest.approx(10)
    assert found.raw_share == pytest.approx(0.7)
    assert found.corrected.value == pytest.approx(0.6, abs=0.01)
    assert found.corrected.worth > 2
    assert found.labels_until(0.9) == 0
    assert found.labels_until(0.62) > 100


def test_what_a_judge_did_not_say_is_counted():
    """Labels of outputs of which it said neither yes nor no."""
    found = compare(
        "tone", "v1", results_of(True, None, False), {("0", 0): True, ("1", 0): False, ("2", 0): False}
    )
    assert (found.silent, found.agreement.cases, found.judged_cases) == (1, 2, 2)

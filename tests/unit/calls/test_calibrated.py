"""What signals are worth: files of confidence, what they are for, and what they never do."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy.calls.calibrated import LEAST, Calibrations, ConfidenceFile
from roadworthy.calls.calibration import Calibration
from roadworthy.errors import ConfigurationError
from roadworthy.settings import Settings

LOGISTIC = Calibration("logistic", -0.5, (0.7, 0.2))
FILE = ConfidenceFile(
    prompt="sort",
    prompt_version="sort@v1",
    prompt_hash="abc",
    model="small-1",
    signals=("length", "self_report"),
    calibration=LOGISTIC,
    fitted_at="2026-11-21T00:00:00Z",
    answers=100,
)

shares = st.floats(0, 1)
rising = st.lists(st.tuples(st.floats(-5, 5), st.floats(0.01, 0.99)), min_size=1, max_size=6).map(
    lambda points: Calibration(
        "isotonic",
        0.0,
        (1.0,),
        tuple(sorted(place for place, _ in points)),
        tuple(sorted(level for _, level in points)),
    )
)
calibrations = st.one_of(
    st.builds(Calibration, st.just("logistic"), st.floats(-5, 5), st.tuples(st.floats(0, 5))), rising
)


@given(calibrations, shares, shares)
def test_a_surer_signal_never_makes_an_answer_less_sure(calibration, one, other):
    """A probability between 0 and 1 that rises with the signal."""
    file = replace(FILE, signals=("self_report",), calibration=calibration)
    low, high = (file.confidence({"self_report": score}) for score in sorted((one, other)))
    assert 0 <= low <= high <= 1


@given(shares, shares)
def test_the_least_signal_may_be_all_that_is_known(one, other):
    """Whatever the names of the others, the least counts."""
    file = replace(FILE, signals=(LEAST,), calibration=Calibration("logistic", 0.3, (0.8,)))
    assert file.misfit("abc", "small-1", {"a": one, "b": other}) == ""
    assert file.confidence({"a": one, "b": other}) == file.calibration.apply([min(one, other)])


def test_signals_count_by_name_and_not_by_place():
    """The order in which they are said does not matter."""
    assert FILE.confidence({"self_report": 0.9, "length": 0.2}) == LOGISTIC.apply([0.2, 0.9])


@pytest.mark.parametrize(
    ("about", "why"),
    [
        (("other", "small-1", {"length": 1, "self_report": 1}), "another version"),
        (("abc", "small-2", {"length": 1, "self_report": 1}), "'small-2'"),
        (("abc", "small-1", {"self_report": 1}), "not on self_report"),
        (("abc", "small-1", {}), "not on none"),
        (("abc", "small-1", {"length": 1, "self_report": 1}), ""),
    ],
)
def test_it_speaks_only_of_what_it_was_learnt_from(about, why):
    """Another version, another model and other signals are told."""
    assert why in FILE.misfit(*about)
    assert bool(FILE.misfit(*about)) == bool(why)


def test_what_is_written_is_read(tmp_path):
    """With every number, and its digest."""
    path = tmp_path / "confidence" / "sort.json"
    FILE.write(path)
    assert ConfidenceFile.read(path) == FILE
    assert ConfidenceFile.read(path).digest == FILE.digest
    assert replace(FILE, model="small-2").digest != FILE.digest


@pytest.mark.parametrize(
    "change",
    [
        {"format": "roadworthy-router"},
        {"version": 2},
        {"signals": ["one"]},
        {"prompt_hash": None},
        {"calibration": {**LOGISTIC.as_json(), "weights": [-1, 0]}},
        {"calibration": None},
    ],
)
def test_a_file_that_was_changed_is_refused(tmp_path, change):
    """It is an error, and never taken for one that says nothing."""
    path = tmp_path / "sort.json"
    path.write_text(json.dumps({**FILE.as_json(), **change}))
    with pytest.raises(ConfigurationError):
        ConfidenceFile.read(path)


def test_the_settings_name_the_file(tmp_path):
    """One that is missing, or of another prompt, is an error; without one there is nothing."""
    (tmp_path / "roadworthy.toml").write_text(
        '[prompts.sort]\nconfidence = "sort.json"\n[prompts.other]\nconfidence = "sort.json"\n'
    )
    settings = Settings.load(tmp_path)
    with pytest.raises(ConfigurationError, match="There is no file"):
        Calibrations(settings).file("sort")
    FILE.write(tmp_path / "sort.json")
    found = Calibrations(settings)
    assert found.file("sort") == FILE
    assert (found.digest("sort"), found.digest("plain")) == (FILE.digest, "")
    with pytest.raises(ConfigurationError, match="is a file of prompt 'sort'"):
        found.file("other")

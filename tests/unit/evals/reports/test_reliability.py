"""The page of a confidence file: the diagram before and after, errors and bands, on what a fit says."""

import base64
import hashlib
import random
import re

import pytest

from roadworthy.calls.calibrated import ConfidenceFile, ProvenBand
from roadworthy.evals.confidence import Reviewed, learn
from roadworthy.evals.reports import reliability_page

HOSTILE = "</p><script>alert(1)</script>\u202e\x00"


@pytest.fixture(scope="module")
def file() -> ConfidenceFile:
    """Learnt from a model that says 60 to 99% and is right less often."""
    draw = random.Random(7)
    answers = []
    for number in range(400):
        score = draw.uniform(0.6, 0.99)
        right = draw.random() < score - 0.25
        signals = {"least": score}
        answers.append(
            Reviewed(f"c{number}", "w", "sort@v1", "a" * 64, HOSTILE, signals, right, 1.0, False, number)
        )
    return learn("sort", answers, 1_800_000_000_000, [0.2]).file


def test_a_page_shows_both_diagrams_and_what_they_come_to(file) -> None:
    """A point and a row for each bin; the raw score is off the diagonal, the probability is not."""
    page = reliability_page(file)
    before, after = (file.figures[f"reliability_{when}"] for when in ("before", "after"))
    assert page.count("<circle") == len(before) + len(after) == 20
    raw, fitted = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert raw.count('class="bin off"') > 5
    assert fitted.count('class="bin off"') < 3
    assert f"<b>{file.figures['calibration_error_before']:.3f}</b>" in page
    assert "a person decides" in page or "20.00%" in page


def test_a_page_runs_nothing_and_holds_nothing_unseen(file) -> None:
    """Names are escaped, and the policy allows its one style sheet."""
    page = reliability_page(file)
    assert "<script" not in page
    assert not re.search(r"[\x00-\x08\x0b-\x1f\u202e]", page)
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{digest}';" in page


def test_a_file_read_again_gives_the_same_page(file, tmp_path) -> None:
    """What the page shows is in the file; one of before there were diagrams says to fit again."""
    path = tmp_path / "sort.json"
    file.write(path)
    read = ConfidenceFile.read(path)
    assert reliability_page(read) == reliability_page(file)
    figures = {name: value for name, value in file.figures.items() if not name.startswith("reliability")}
    bands = {"0.02": ProvenBand(0.9, 200, 1), "0.01": ProvenBand(None, more_cases=1200)}
    old = ConfidenceFile(**{**vars(read), "figures": figures, "bands": bands})
    page = reliability_page(old)
    assert page.count("Fit it again") == 2
    assert "0.1% to 2.8%" in page
    assert "about 1,200 reviews more may" in page

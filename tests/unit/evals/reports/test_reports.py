"""Reports say what an experiment says, in every format, and nothing in them gets out of its place."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest
from typing_extensions import override

from roadworthy.evals.reports import FORMATS, by_evaluator, failures, spent


class Elements(HTMLParser):
    """The elements of a page, with their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    @override
    def handle_starttag(self, tag, attrs) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("second", [None, [False]])
def test_no_report_holds_a_secret_or_what_steers_a_reader(report, secret, format_, second) -> None:
    """Secrets are taken out, unseen characters are written out, and the text can be stored."""
    written = FORMATS[format_]([report([True], second)])
    assert secret not in written
    assert not re.search(r"[\x00-\x08\x0b-\x1f\u202e\ud800-\udfff]", written)
    assert written.encode()


@pytest.mark.parametrize(
    ("first", "second"), [([False], None), ([True], [False]), ([True, False], [False] * 2)]
)
def test_a_page_runs_and_loads_nothing(report, first, second) -> None:
    """No script, no picture, no address; its policy allows its one style sheet only."""
    page = FORMATS["html"]([report(first, second)])
    elements = Elements(page).found
    assert not {"script", "img", "link", "iframe", "object", "form"} & {tag for tag, _ in elements}
    assert not [
        name for _, its in elements for name in its if name.startswith(("on", "style", "src", "href"))
    ]
    policy = next(its["content"] for _, its in elements if its.get("http-equiv") == "Content-Security-Policy")
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{digest}';" in policy


def test_a_page_shows_what_got_worse_with_both_outputs(report) -> None:
    """The words that differ are marked, before and after."""
    page = FORMATS["html"]([report([True], [False])])
    assert "Worse: 1 cases" in page
    assert "<del>true</del>" in page
    assert "<ins>false</ins>" in page
    assert "100% → 0%" in page


@pytest.mark.parametrize(
    ("format_", "words"),
    [
        (
            "html",
            ["Preferred by", "Before is better: 1 cases", "After is better: 1 cases", "Judging cost $0.25"],
        ),
        ("md", ["(informs only):**", "Before is better (1):", "It cost $0.2500."]),
        ("junit", ['name="pairs: ', "It informs only: ", "before is better: "]),
        ("json", ['"preferences"', '"saved_usd": "0.5"']),
    ],
)
def test_every_format_tells_what_judges_of_pairs_prefer(report, format_, words) -> None:
    """What is preferred before comes first, with its cost, and whether it decides."""
    written = FORMATS[format_]([report([True], [False])])
    assert not [one for one in words if one not in written]


def test_a_page_tells_how_often_a_case_passed(report) -> None:
    """With repeats, cases that flicker are counted."""
    page = FORMATS["html"]([report([True, False])])
    assert "1 of 2 passed" in page
    assert "1 of 3 cases passed sometimes" in page


def test_junit_counts_what_failed(report) -> None:
    """A test case for each case and one for the verdict; reasons in the messages."""
    root = ET.fromstring(FORMATS["junit"]([report([False])]))
    (suite,) = root
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("4", "3", "0")
    assert suite.get("name") == "reply: reply@v1"
    verdict, good, hostile, lost = suite.findall("testcase")
    assert verdict.find("failure").get("message") == "The verdict is fail."
    assert "high-risk" in verdict.find("failure").text
    assert good.find("failure") is None
    assert "no: </pre><script>" in hostile.find("failure").get("message")
    assert lost.find("failure").get("type") == "timeout"
    assert lost.get("time") == "9.000"


def test_junit_tells_what_was_stopped_as_an_error(report) -> None:
    """An experiment that did not come to its end has not passed."""
    root = ET.fromstring(FORMATS["junit"]([report([True], stopped="The budget is spent.")]))
    assert root[0].find("testcase/error").get("message") == "The budget is spent."


def test_a_summary_keeps_to_its_lines_and_mentions_nobody(report) -> None:
    """A table stays a table, and what a model wrote is no markup."""
    text = FORMATS["md"]([report([True], [False])])
    assert text.startswith("### ❌ reply: fail\n")
    assert "| reply@v2 | 33.3% of 3 |" in text
    assert "Worse (1):" in text
    assert "&lt;script&gt;" in text
    assert "@team" not in re.sub(r"(?<!\\)`[^`]*`", "", text)  # in code nobody is mentioned


def test_the_document_has_every_answer(report) -> None:
    """Programs get the verdict, what was evaluated, each answer and the difference."""
    (told,) = json.loads(FORMATS["json"]([report([True], [False])]))["suites"]
    assert [one["variant"] for one in told["experiments"]] == ["reply@v1", "reply@v2"]
    assert len(told["experiments"][1]["results"]) == 3
    assert told["difference"]["worse"] == [told["experiments"][1]["results"][1]["case"]]


def test_the_worst_cases_come_first(report) -> None:
    """What never passes is worse than what passes sometimes, what is grave worse than what is not."""
    its = report([True, False]).last.results
    assert [len(ones) for ones in failures(its).values()] == [1, 1]
    ((failed,), (lost,)) = failures(its).values()
    assert (failed.passed, failed.answers, lost.passed) == (1, 2, 0)


def test_figures_are_those_of_the_answers(report) -> None:
    """Cost of all, time of those that came."""
    its = report([True, False]).last.results
    cost = spent(its)
    assert (float(cost.usd), round(float(cost.usd_per_case), 4)) == (0.04, 0.0133)
    assert (cost.p50_seconds, cost.p95_seconds) == (0.5, 1.5)
    (row,) = by_evaluator(its)
    assert (row.evaluator, row.passed, row.of, row.mean) == ("exact", 3, 4, 0.25)

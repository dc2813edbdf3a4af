"""`--report junit`: what CI systems read. A suite is a test suite, each case a test case.

A case that failed is a failure with its category and reasons; one that could not be judged, or was never
answered for reasons that are not the model's, an error; one that nobody judged is skipped. The verdict stands
among the suite's properties, and is a test case of its own, so that a loss against the baseline is seen too.
"""

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from roadworthy.evals.experiment import Result, VerdictKind, by_case
from roadworthy.evals.judging.pairs import Preferences
from roadworthy.evals.reports.report import Ran, Report
from roadworthy.records import iso
from roadworthy.telemetry.logs import visible

_MOST_CHARS = 4_000


def junit(reports: Sequence[Report]) -> str:
    """The XML document of these suites."""
    root = ET.Element("testsuites", name="roadworthy eval")
    suites = [
        _suite(one, report.suite, report.preferences if one is report.last else ())
        for report in reports
        for one in report.ran
    ]
    for name in ("tests", "failures", "errors", "skipped"):
        root.set(name, str(sum(int(suite.get(name, 0)) for suite in suites)))
    root.set("time", f"{sum(float(suite.get('time', 0)) for suite in suites):.3f}")
    root.extend(suites)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _suite(ran: Ran, name: str, preferences: Sequence[Preferences]) -> ET.Element:
    name = _attribute(f"{name}: {ran.experiment.variant}")
    suite = ET.Element("testsuite", name=name, timestamp=iso(ran.experiment.started_at)[:19])
    properties = ET.SubElement(suite, "properties")
    for key, value in {
        "experiment": ran.experiment.id,
        "fingerprint": ran.experiment.fingerprint,
        "commit": ran.experiment.commit,
        "verdict": ran.verdict.kind.value,
        "cost_usd": str(ran.experiment.cost_usd),
        "saved_usd": str(ran.experiment.saved_usd),
    }.items():
        ET.SubElement(properties, "property", name=key, value=_attribute(value))
    pairs = [_pairs(one, name) for one in preferences]
    tests = [_verdict(ran, name), *pairs, *(_case(its, name) for its in by_case(ran.results).values())]
    suite.extend(tests)
    suite.set("tests", str(len(tests)))
    for count, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(count, str(sum(test.find(tag) is not None for test in tests)))
    suite.set("time", f"{sum(float(test.get('time', 0)) for test in tests):.3f}")
    return suite


def _verdict(ran: Ran, suite: str) -> ET.Element:
    test = ET.Element("testcase", name="verdict", classname=suite, time="0")
    grounds = "\n".join(f"{one.kind.value} {one.name}: {one.told}" for one in ran.verdict.grounds)
    if ran.stopped:
        _said(test, "error", "stopped", ran.stopped, grounds)
    elif ran.verdict.kind is VerdictKind.FAIL:
        _said(test, "failure", "verdict", "The verdict is fail.", grounds)
    else:
        ET.SubElement(test, "system-out").text = _text(f"Verdict: {ran.verdict.kind.value}\n{grounds}")
    return test


def _pairs(one: Preferences, suite: str) -> ET.Element:
    """What a judge of pairs prefers; a failure where it decides, and finds the answers worse."""
    test = ET.Element("testcase", name=_attribute(f"pairs: {one.judge}"), classname=suite, time="0")
    text = "\n".join([one.told(), *(f"before is better: {case_id}" for case_id in one.losses)])
    if one.worse and not one.informs:
        _said(test, "failure", one.judge, one.told(), text)
    else:
        why = f"\nIt informs only: {one.informs}." if one.informs else ""
        ET.SubElement(test, "system-out").text = _text(f"{text}{why}")
    return test


def _case(its: Sequence[Result], suite: str) -> ET.Element:
    seconds = sum(one.outcome.latency_seconds for one in its)
    test = ET.Element("testcase", name=_attribute(its[0].case_id), classname=suite, time=f"{seconds:.3f}")
    failed = [one for one in its if one.passed is False]
    if failed:
        lines = [line for one in failed for line in _reasons(one, many=len(its) > 1)]
        unjudged = all(any(score.error for score in one.scores) for one in failed)
        kind = "error" if unjudged else "failure"
        message = lines[0] if len(its) == 1 else f"{len(failed)} of {len(its)} answers failed. {lines[0]}"
        _said(test, kind, failed[0].category, message, "\n".join(lines))
    elif all(one.passed is None for one in its):
        ET.SubElement(test, "skipped", message="no evaluator said yes or no of this case")
    return test


def _reasons(result: Result, *, many: bool) -> list[str]:
    no = [one for one in result.scores if not one.informs and (one.passed is False or one.error)]
    said = [f"{one.category or one.evaluator}: {one.reason}" for one in no]
    if not result.outcome.answered:
        said.append(f"{result.outcome.error}: {result.outcome.message}")
    return [f"answer {result.repeat + 1}: {one}" if many else one for one in said]


def _said(test: ET.Element, tag: str, kind: str, message: str, text: str) -> None:
    made = ET.SubElement(test, tag, type=_attribute(kind), message=_attribute(message))
    made.text = _text(text)


def _attribute(text: str) -> str:
    """On one line, and of characters that XML can hold."""
    return _text(visible(text, one_line=True))


def _text(text: str) -> str:
    text = text if len(text) <= _MOST_CHARS else f"{text[:_MOST_CHARS]}…"
    return visible(text, one_line=False).replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff")

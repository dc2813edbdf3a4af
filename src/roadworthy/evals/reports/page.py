"""`--report html`: what suites' experiments say, as a page."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from roadworthy.evals.case import Case
from roadworthy.evals.experiment import Result, by_case, pass_shares
from roadworthy.evals.reports import charts
from roadworthy.evals.reports.facts import (
    Tagged,
    by_evaluator,
    by_tag,
    failures,
    latencies,
    reason,
    spent,
)
from roadworthy.evals.reports.html import rendered, shown
from roadworthy.evals.reports.report import Ran, Report
from roadworthy.prompts.difference import Row, side_by_side

_MOST_IN_CATEGORY, _MOST_CHANGED, _MOST_IN_TABLE = 30, 100, 2_000
_TONES = {"pass": "ok", "fail": "bad", "inconclusive": "warn"}


@dataclass(frozen=True, slots=True)
class Changed:
    """A case that is worse or better than before."""

    case: Case
    before: Result | None
    """None where only the shares of the baseline are known."""
    after: Result
    was: float
    now: float
    """The shares of its answers that passed."""
    rows: Sequence[Row]
    """What differs between the two outputs."""


def page(reports: Sequence[Report]) -> str:
    """The whole page."""
    return rendered("report.html", reports=reports, **_NAMES)


def changed(report: Report, ids: Sequence[str]) -> Iterator[Changed]:
    """The first of these cases, as the two experiments, or the baseline and the experiment, have them."""
    after = by_case(report.last.results)
    now, before, was = pass_shares(report.last.results), dict[str, list[Result]](), dict[str, float]()
    if report.difference is not None:
        before, was = by_case(report.ran[0].results), dict(pass_shares(report.ran[0].results))
    elif report.last.baseline is not None:
        was = dict(report.last.baseline.shares)
    for case_id in ids[:_MOST_CHANGED]:
        one, other = _telling(before.get(case_id, ()), was[case_id] > now[case_id]), after[case_id]
        new = _telling(other, now[case_id] > was[case_id]) or other[0]
        texts = (shown(one.outcome.output), shown(new.outcome.output)) if one is not None else ("", "")
        yield Changed(report.last.cases[case_id], one, new, was[case_id], now[case_id], side_by_side(*texts))


def preferred(report: Report, ids: Sequence[str]) -> Iterator[Changed]:
    """The first of these cases, as the two experiments answered them."""
    before, after = (by_case(one.results) for one in report.ran)
    shares = [pass_shares(one.results) for one in report.ran]
    for case_id in ids[:_MOST_CHANGED]:
        one, other = before[case_id][0], after[case_id][0]
        rows = side_by_side(shown(one.outcome.output), shown(other.outcome.output))
        was, now = (its.get(case_id, 0.0) for its in shares)
        yield Changed(report.last.cases[case_id], one, other, was, now, rows)


def _telling(its: Sequence[Result], passed: bool) -> Result | None:
    """Of a case's answers, the first that shows what changed."""
    fitting = (one for one in its if bool(one.passed) is passed)
    return next(fitting, its[0] if its else None)


def _timed(ran: Ran) -> list[tuple[float, bool]]:
    return [
        (one.outcome.latency_seconds, one.passed is not False) for one in ran.results if one.outcome.answered
    ]


def _tags(report: Report) -> list[tuple[Tagged, list[float | None]]]:
    """A row for each tag: as the last experiment has it, and its share in each experiment."""
    its = [{one.tag: one for one in by_tag(ran.results, report.tags)} for ran in report.ran]
    return [(last, [ran[tag].share if tag in ran else None for ran in its]) for tag, last in its[-1].items()]


def _table(report: Report) -> Iterator[tuple[str, list[Mapping[str, Any]]]]:
    """A row for each case: in each experiment, how many of its answers passed, at what cost, how long."""
    its = [by_case(one.results) for one in report.ran]
    for case_id in list(report.last.cases)[:_MOST_IN_TABLE]:
        yield case_id, [_row(one.get(case_id, [])) for one in its]


def _row(its: list[Result]) -> Mapping[str, Any]:
    seconds = latencies(its)
    return {
        "passed": sum(one.passed is True for one in its),
        "failed": sum(one.passed is False for one in its),
        "answers": len(its),
        "usd": sum(one.outcome.cost_usd for one in its),
        "seconds": seconds[len(seconds) // 2] if seconds else None,
    }


_NAMES: dict[str, Any] = {
    "charts": charts,
    "tones": _TONES,
    "by_evaluator": by_evaluator,
    "tags": _tags,
    "failures": failures,
    "reason": reason,
    "spent": spent,
    "latencies": latencies,
    "timed": _timed,
    "changed": changed,
    "preferred": preferred,
    "table": _table,
    "most_in_category": _MOST_IN_CATEGORY,
    "most_changed": _MOST_CHANGED,
    "most_in_table": _MOST_IN_TABLE,
}

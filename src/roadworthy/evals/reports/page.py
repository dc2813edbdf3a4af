"""`--report html`: one file that needs nothing else, neither network nor script.

Its one style sheet stands in it, and the browser is told by a policy to load and run nothing. All that models
and people wrote is escaped, characters that cannot be seen are written out.
"""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined

from roadworthy.evals.case import Case
from roadworthy.evals.experiment import Result, VerdictKind, by_case, pass_shares
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
from roadworthy.evals.reports.report import Ran, Report
from roadworthy.prompts.difference import Row, side_by_side
from roadworthy.records import iso
from roadworthy.telemetry.logs import visible

_MOST_IN_CATEGORY, _MOST_CHANGED, _MOST_IN_TABLE = 30, 100, 2_000
_MOST_CHARS = 20_000
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
    style = _text("report.css")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (
        _environment()
        .get_template("report.html")
        .render(reports=reports, style=style, style_hash=f"sha256-{digest}")
    )


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FunctionLoader(_text),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters.update(_FILTERS)
    made.globals.update(_NAMES)
    return made


def _text(name: str) -> str:
    return (files("roadworthy.evals.reports") / "templates" / name).read_text("utf-8")


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
        texts = (_shown(one.outcome.output), _shown(new.outcome.output)) if one is not None else ("", "")
        yield Changed(report.last.cases[case_id], one, new, was[case_id], now[case_id], side_by_side(*texts))


def preferred(report: Report, ids: Sequence[str]) -> Iterator[Changed]:
    """The first of these cases, as the two experiments answered them."""
    before, after = (by_case(one.results) for one in report.ran)
    shares = [pass_shares(one.results) for one in report.ran]
    for case_id in ids[:_MOST_CHANGED]:
        one, other = before[case_id][0], after[case_id][0]
        rows = side_by_side(_shown(one.outcome.output), _shown(other.outcome.output))
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


def _usd(value: Any) -> str:
    return "$0" if not value else f"${value:.4f}" if value >= 1 else f"${value:.6f}".rstrip("0").rstrip(".")


def _said(text: object, most: int = 400) -> str:
    """A text on one line."""
    said = visible(str(text), one_line=True)
    return said if len(said) <= most else f"{said[:most]}…"


def _shown(value: Any) -> str:
    """A value as people read it: a text as it is, anything else as JSON."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2, default=str)
    if len(text) > _MOST_CHARS:
        text = f"{text[:_MOST_CHARS]}\n… and {len(text) - _MOST_CHARS:,} characters more"
    return visible(text, one_line=False)


def _percent(share: float) -> str:
    return f"{share:.1%}"


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} s"


def _moment(at_ms: int) -> str:
    return iso(at_ms)[:19].replace("T", " ") + " UTC"


def _tone(kind: VerdictKind) -> str:
    return _TONES[kind.value]


_FILTERS: dict[str, Any] = {
    "said": _said,
    "shown": _shown,
    "percent": _percent,
    "usd": _usd,
    "seconds": _seconds,
    "moment": _moment,
    "tone": _tone,
}
_NAMES: dict[str, Any] = {
    "charts": charts,
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

"""`--report md`: a summary that fits into a comment on a pull request."""

import re
from collections.abc import Sequence
from decimal import Decimal
from itertools import islice

from roadworthy.evals.comparison import Difference
from roadworthy.evals.experiment import Result
from roadworthy.evals.judging.pairs import Preferences
from roadworthy.evals.reports.facts import by_tag, failures, reason, spent
from roadworthy.evals.reports.report import Ran, Report
from roadworthy.telemetry.logs import visible

_MOST_CATEGORIES, _MOST_CASES, _MOST_CHARS = 8, 3, 160
_MARKUP = re.compile(r"([\\`*_\[\]#|~])")
_MENTION = re.compile(r"(?<!\w)@")
_SIGNS = {"pass": "✅", "fail": "❌", "inconclusive": "❔"}


def markdown(reports: Sequence[Report]) -> str:
    """The suites, one after the other."""
    return "\n".join(line for report in reports for line in _suite(report))


def _suite(report: Report) -> list[str]:
    verdict = report.last.verdict
    lines = [f"### {_SIGNS[verdict.kind.value]} {_said(report.suite)}: {verdict.kind.value}", ""]
    if report.last.stopped:
        lines += [f"**Stopped:** {_said(report.last.stopped)}", ""]
    lines += [
        f"- {_SIGNS[one.kind.value]} **{_said(one.name)}**: {_said(one.told)}" for one in verdict.grounds
    ]
    lines += [f"- {_said(note)}" for note in verdict.notes]
    lines += ["", "| variant | passed | 90% interval | cost | a case | p50 | p95 |"]
    lines += ["|---|---:|---:|---:|---:|---:|---:|", *(_row(one) for one in report.ran), ""]
    if report.difference is not None:
        lines += _difference(report.difference, report.last)
    for one in report.preferences:
        lines += _preferences(one)
    lines += _tags(report)
    lines += _failures(report.last)
    experiment = report.last.experiment
    saved_usd = sum((one.experiment.saved_usd for one in report.ran), Decimal(0))
    if saved_usd:
        lines += [f"What came from the tape cost ${saved_usd:.4f} when it was recorded, and nothing now.", ""]
    commit = f", commit `{experiment.commit}`" if experiment.commit else ""
    return [*lines, f"<sub>`{experiment.id}`, fingerprint `{experiment.fingerprint[:12]}`{commit}</sub>", ""]


def _row(ran: Ran) -> str:
    cost, verdict = spent(ran.results), ran.verdict
    times = (cost.p50_seconds, cost.p95_seconds)
    cells = [
        _said(ran.experiment.variant),
        f"{verdict.share:.1%} of {verdict.judged}",
        f"{verdict.lower:.1%} to {verdict.upper:.1%}",
        f"${cost.usd:.4f}",
        f"${cost.usd_per_case:.6f}",
        *("" if one is None else f"{one:.2f} s" for one in times),
    ]
    return f"| {' | '.join(cells)} |"


def _difference(difference: Difference, last: Ran) -> list[str]:
    lines = [f"**Difference:** {_said(difference.told())}", ""]
    failed = {one.case_id: one for one in last.results if one.passed is False}
    for title, cases in (("Worse", difference.worse), ("Better", difference.better)):
        shown = [_case(case_id, failed.get(case_id)) for case_id in cases[: 3 * _MOST_CASES]]
        if shown:
            lines += [f"{title} ({len(cases)}):", "", *shown, ""]
    return lines


def _preferences(one: Preferences) -> list[str]:
    cost = f" It cost ${one.cost_usd:.4f}." if one.cost_usd else ""
    lines = [f"**Preference{' (informs only)' if one.informs else ''}:** {_said(one.told())}{cost}", ""]
    for title, cases in (("Before is better", one.losses), ("After is better", one.wins)):
        shown = [_case(case_id, None) for case_id in cases[: 3 * _MOST_CASES]]
        if shown:
            lines += [f"{title} ({len(cases)}):", "", *shown, ""]
    return lines


def _tags(report: Report) -> list[str]:
    rows = by_tag(report.last.results, report.tags)
    if not rows:
        return []
    said = [
        f"{_said(one.tag)} {one.share:.0%} of {one.cases}"
        + (f" (at least {one.wanted:.0%})" if one.wanted is not None else "")
        for one in rows
    ]
    return [f"**Tags:** {', '.join(said)}", ""]


def _failures(ran: Ran) -> list[str]:
    found = failures(ran.results)
    if not found:
        return []
    count = len({one.result.case_id for its in found.values() for one in its})
    lines = [f"<details><summary>Failures by kind ({count} cases)</summary>", ""]
    for category, its in islice(found.items(), _MOST_CATEGORIES):
        lines += [f"- **{_said(category)}**: {len(its)}"]
        lines += [f"  {_case(one.result.case_id, one.result)}" for one in its[:_MOST_CASES]]
    if len(found) > _MOST_CATEGORIES:
        lines.append(f"- and {len(found) - _MOST_CATEGORIES} kinds more")
    return [*lines, "", "</details>", ""]


def _case(case_id: str, result: Result | None) -> str:
    why = reason(result) if result is not None else ""
    return f"- `{_code(case_id)}`" + (f": {_said(why, _MOST_CHARS)}" if why else "")


def _said(text: str, most: int = 0) -> str:
    """A text that cannot be read as markup: no links, no mentions, no tables, no HTML."""
    text = visible(text, one_line=True)
    text = f"{text[:most]}…" if most and len(text) > most else text
    text = _MARKUP.sub(r"\\\1", text.replace("&", "&amp;")).replace("<", "&lt;").replace(">", "&gt;")
    return _MENTION.sub("@\u200b", text).replace("://", ":\u200b//")


def _code(text: str) -> str:
    return visible(text, one_line=True).replace("`", "'").replace("|", "\\|")

"""A suite of evaluations as one test of pytest: `test_draft_reply = eval_suite("draft-reply", min_pass=0.9)`.

It is answered from the suite's committed tape alone, on a new database: no model is asked, and the same
commit gives the same result. A test that is marked `roadworthy_live` asks for what is not on tape.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

    from roadworthy.app import App
    from roadworthy.evals.reports import Report
    from roadworthy.evals.tape import Mode

_MOST_CASES = 20
_MOST_CHARS = 300


def eval_suite(
    name: str, *, min_pass: float | None = None
) -> "Callable[[pytest.FixtureRequest, Path], None]":
    """A test that passes when the suite does: its share of cases is at least `min_pass`, from 0 to 1.

    Without `min_pass` the suite's own verdict must not be a fail.
    """

    def test(request: "pytest.FixtureRequest", tmp_path: Path) -> None:
        import pytest

        from roadworthy.testing.project import find_app, on_database

        live = request.node.get_closest_marker("roadworthy_live") is not None
        app = find_app(request.config.rootpath / request.config.getini("roadworthy_project"))
        settings, app.settings = app.settings, on_database(app.settings, tmp_path / "roadworthy.db")
        try:
            report = asyncio.run(_ran(app, name, "use" if live else "strict"))
        finally:
            app.settings = settings
        if said := _wrong(report, min_pass):
            pytest.fail(said, pytrace=False)

    return test


async def _ran(app: "App", name: str, mode: "Mode") -> "Report":
    async with app.evaluating() as evals:
        return evals.report([await evals.run(name, mode=mode)])


def _wrong(report: "Report", min_pass: float | None) -> str:
    """Why a suite does not pass; empty when it does."""
    from roadworthy.evals import VerdictKind

    verdict, stopped = report.last.verdict, report.last.stopped
    if stopped:
        head = f"{report.suite} did not come to its end: {stopped}"
    elif not verdict.judged:
        head = f"{report.suite}: no evaluator said yes or no of any case."
    elif min_pass is not None and verdict.share < min_pass:
        share = f"{verdict.share:.1%} of {verdict.judged} cases passed"
        head = f"{report.suite}: {share}, at least {min_pass:.1%} asked for."
    elif min_pass is None and verdict.kind is VerdictKind.FAIL:
        head = f"{report.suite}: the verdict is fail."
    else:
        return ""
    return "\n".join([head, *_failed(report), f"Verdict: {verdict.kind.value}", *_grounds(report)])


def _failed(report: "Report") -> list[str]:
    from roadworthy.evals.reports import failures, reason
    from roadworthy.telemetry.logs import visible

    lines: list[str] = []
    found = failures(report.last.results)
    for category, its in found.items():
        lines.append(f"  {visible(category, one_line=True)} ({len(its)})")
        for one in its[:_MOST_CASES]:
            why = visible(reason(one.result), one_line=True)
            lines.append(f"    {visible(one.result.case_id, one_line=True)}: {why[:_MOST_CHARS]}")
        if len(its) > _MOST_CASES:
            lines.append(f"    and {len(its) - _MOST_CASES} more")
    if "not_on_tape" in found:
        lines.append(f"Record what is missing, and commit it: roadworthy eval {report.suite} --save-tape")
    return lines


def _grounds(report: "Report") -> list[str]:
    return [f"  {one.kind.value} {one.name}: {one.told}" for one in report.last.verdict.grounds]

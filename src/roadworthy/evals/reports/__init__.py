"""What an experiment says, written for people and for programs: `--report html|json|junit|md`."""

import json
from collections.abc import Callable, Mapping, Sequence

from roadworthy.evals.reports.document import document
from roadworthy.evals.reports.facts import by_evaluator, failures, reason, spent
from roadworthy.evals.reports.junit import junit
from roadworthy.evals.reports.markdown import markdown
from roadworthy.evals.reports.page import page
from roadworthy.evals.reports.reliability import reliability_page
from roadworthy.evals.reports.report import Report, Scrub, report_of


def json_text(reports: Sequence[Report]) -> str:
    """The JSON document of these suites; ASCII, so that every terminal and pipe takes it."""
    return json.dumps({"suites": [document(one) for one in reports]}, indent=2, default=str) + "\n"


FORMATS: Mapping[str, Callable[[Sequence[Report]], str]] = {
    "html": page,
    "json": json_text,
    "junit": junit,
    "md": markdown,
}
"""How suites are written, by what `--report` takes."""

__all__ = [
    "FORMATS",
    "Report",
    "Scrub",
    "by_evaluator",
    "document",
    "failures",
    "json_text",
    "reason",
    "reliability_page",
    "report_of",
    "spent",
]

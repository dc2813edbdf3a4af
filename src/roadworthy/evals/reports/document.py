"""`--report json`, and `--json`: all that an experiment says, for programs."""

from typing import Any

from roadworthy.evals.reports.report import Ran, Report


def document(report: Report) -> dict[str, Any]:
    """A suite as JSON."""
    told: dict[str, Any] = {"suite": report.suite, "experiments": [_ran(one) for one in report.ran]}
    if report.difference is not None:
        told["difference"] = report.difference.as_json()
    if report.preferences:
        told["preferences"] = [one.as_json() for one in report.preferences]
    return told


def _ran(one: Ran) -> dict[str, Any]:
    experiment = one.experiment
    return {
        "id": experiment.id,
        "variant": experiment.variant,
        "status": experiment.status.value,
        "stopped": one.stopped,
        "fingerprint": experiment.fingerprint,
        "parts": experiment.parts,
        "commit": experiment.commit,
        "environment": experiment.environment,
        "cost_usd": str(experiment.cost_usd),
        "saved_usd": str(experiment.saved_usd),
        "verdict": one.verdict.as_json(),
        "results": [
            {
                "case": result.case_id,
                "repeat": result.repeat,
                "tags": list(result.tags),
                "passed": result.passed,
                "category": result.category,
                "outcome": result.outcome.as_json(),
                "scores": [score.as_json() for score in result.scores],
            }
            for result in one.results
        ],
    }

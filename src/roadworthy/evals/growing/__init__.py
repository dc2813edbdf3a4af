"""Data sets that grow: cases from what is on record, and which of them are there already.

found = await app.database.read(lambda tx: sources.of_run(tx, target, run_id))
grown = grow(dataset.cases, found, scrub=app.telemetry.scrubber.scrub, tags=("edge",))
"""

from roadworthy.evals.growing.failures import of_failures
from roadworthy.evals.growing.grow import Grown, Known, grow
from roadworthy.evals.growing.near import NEAR, Near, text_in
from roadworthy.evals.growing.sources import Draft, Target, of_call, of_feedback, of_review, of_run

__all__ = [
    "NEAR",
    "Draft",
    "Grown",
    "Known",
    "Near",
    "Target",
    "grow",
    "of_call",
    "of_failures",
    "of_feedback",
    "of_review",
    "of_run",
    "text_in",
]

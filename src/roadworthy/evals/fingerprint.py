"""What exactly was evaluated: the combination of everything that decides the results, by name.

Two experiments with the same fingerprint evaluated the same thing in the same way. What `--changed` compares,
and what a promotion asks evidence for, is this.
"""

from collections.abc import Mapping, Sequence

from roadworthy.evals.case import digest
from roadworthy.evals.dataset import Dataset
from roadworthy.evals.evaluator import Evaluator
from roadworthy.evals.suite import Suite
from roadworthy.evals.target import Target


def parts_of(
    target: Target, evaluators: Sequence[Evaluator], dataset: Dataset, suite: Suite
) -> dict[str, str]:
    """The parts of a combination, each as a digest or an exact name: its target's, and how it was judged."""
    limits = suite.settings.model_dump(
        mode="json", include={"min_pass", "tags", "max_loss", "repeats"}, exclude_defaults=True
    )
    return {
        **target.parts,
        "data set": dataset.content_hash,
        "evaluators": digest(sorted([one.name, one.version, one.blocks] for one in evaluators)),
        "thresholds": digest(limits),
    }


def fingerprint(parts: Mapping[str, str]) -> str:
    """The true name of a combination."""
    return digest(dict(parts))


def differing(before: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, ...]:
    """The names of the parts that are not the same."""
    return tuple(name for name in sorted({*before, *now}) if before.get(name) != now.get(name))

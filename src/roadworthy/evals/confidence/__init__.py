"""Confidence, learnt from what people said of answers: their outcomes on record, and what they teach."""

from roadworthy.evals.confidence.learn import Learnt, learn
from roadworthy.evals.confidence.outcomes import Reviewed, reviewed

__all__ = ["Learnt", "Reviewed", "learn", "reviewed"]

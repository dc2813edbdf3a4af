"""A small router that was trained from eval results: may this text go to the cheap model?

`terms.py` says what a text is to it, `file.py` is the file that holds it, and `router.py` reads the file and
chooses; that is all that a running project needs. `results.py` reads eval results, `bound.py` says how much
may be concluded from so many cases, and `train.py` makes the file.
"""

from roadworthy.models.learned.file import RouterFile, Row
from roadworthy.models.learned.results import Case, Results, read_results
from roadworthy.models.learned.router import Choice, LearnedRouter
from roadworthy.models.learned.terms import text_of
from roadworthy.models.learned.train import train

__all__ = [
    "Case",
    "Choice",
    "LearnedRouter",
    "Results",
    "RouterFile",
    "Row",
    "read_results",
    "text_of",
    "train",
]

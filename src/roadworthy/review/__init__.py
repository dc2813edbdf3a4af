"""Reviews: what waits for a person, what people say, and which automatic decisions they look at afterwards.

`store` and `decided` (SQL) are imported on their own: `from roadworthy.review import store`.
"""

from roadworthy.review.band import RULE, Bands, Ruling, rule_on
from roadworthy.review.decided import Decided
from roadworthy.review.held import Exhibit, Held, exhibits
from roadworthy.review.item import Item, ItemStatus, Kind, signal_name
from roadworthy.review.quality import Quality, Stats
from roadworthy.review.question import Question, Said
from roadworthy.review.reviewer import OWNER, Reviewer
from roadworthy.review.reviews import Reviews
from roadworthy.review.sampling import Aim, Watch
from roadworthy.review.store import Filter
from roadworthy.review.verdict import Choice, Vote

__all__ = [
    "OWNER",
    "RULE",
    "Aim",
    "Bands",
    "Choice",
    "Decided",
    "Exhibit",
    "Filter",
    "Held",
    "Item",
    "ItemStatus",
    "Kind",
    "Quality",
    "Question",
    "Reviewer",
    "Reviews",
    "Ruling",
    "Said",
    "Stats",
    "Vote",
    "Watch",
    "exhibits",
    "rule_on",
    "signal_name",
]

"""Reviews: questions that no model could answer and that wait for a person, and the answers people give.

`store` (SQL) is imported on its own: `from roadworthy.review import store`.
"""

from roadworthy.review.item import Item, ItemStatus, Kind, signal_name
from roadworthy.review.question import Question, Said
from roadworthy.review.reviews import Reviews
from roadworthy.review.store import Filter

__all__ = ["Filter", "Item", "ItemStatus", "Kind", "Question", "Reviews", "Said", "signal_name"]

"""Budgets: the most that a request may cost is set aside before it is sent, so that no limit is passed.

`store` (SQL) is imported on its own: `from roadworthy.budgets import store`.
"""

from roadworthy.budgets.account import Account, Amount, Key, Refusal, Subject
from roadworthy.budgets.budget import Budgets
from roadworthy.budgets.calendar import Calendar
from roadworthy.budgets.reservation import Reservation
from roadworthy.budgets.standing import Standing

__all__ = [
    "Account",
    "Amount",
    "Budgets",
    "Calendar",
    "Key",
    "Refusal",
    "Reservation",
    "Standing",
    "Subject",
]

"""What budgets and throttles report: each thing once for each account, not once for each request."""

import threading

from roadworthy.budgets import Refusal
from roadworthy.budgets.store import Outcome
from roadworthy.records import from_micro_usd
from roadworthy.telemetry import Telemetry

_MOST_KEPT = 10_000


class BudgetReporter:
    """Emits the events of budgets and throttles. One for a project."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._said: set[tuple[str, ...]] = set()
        self._lock = threading.Lock()

    def reserved(self, outcome: Outcome, model: str) -> None:
        """Report accounts that became nearly spent, and open ones that are past their limit."""
        for account in outcome.near:
            if self._first("near", *account.key):
                self._telemetry.emit(
                    "budget.nearly_spent",
                    budget=account.budget,
                    subject=account.subject,
                    window=account.window,
                )
        for account in outcome.exceeded:
            if self._first("exceeded", *account.key):
                self._telemetry.emit(
                    "budget.exceeded",
                    budget=account.budget,
                    subject=account.subject,
                    window=account.window,
                    model=model,
                )

    def refused(self, refusal: Refusal, model: str) -> None:
        """Report an account that had no room."""
        if self._first("refused", refusal.budget, refusal.window, refusal.reason, model):
            self._telemetry.emit(
                "budget.refused",
                budget=refusal.budget,
                window=refusal.window,
                reason=refusal.reason,
                when_spent=refusal.when_spent,
                model=model,
            )

    def exceeded(self, refusal: Refusal, model: str) -> None:
        """Report an open limit of each call that has no room."""
        if self._first("exceeded", refusal.budget, refusal.window, model):
            self._telemetry.emit(
                "budget.exceeded",
                budget=refusal.budget,
                subject=refusal.subject,
                window=refusal.window,
                model=model,
            )

    def overrun(self, budget: str, model: str, spent_micro_usd: int, most_micro_usd: int) -> None:
        """Report a request that cost more than what was set aside for it."""
        self._telemetry.emit(
            "budget.overrun",
            budget=budget,
            model=model,
            cost_usd=from_micro_usd(spent_micro_usd),
            reserved_usd=from_micro_usd(most_micro_usd),
        )

    def throttled(self, throttle: str, seconds: float) -> None:
        """Report a call that came too soon."""
        self._telemetry.emit("throttle.refused", throttle=throttle, delay_seconds=seconds)

    def _first(self, *key: str) -> bool:
        with self._lock:
            if key in self._said:
                return False
            if len(self._said) >= _MOST_KEPT:
                self._said.clear()
            self._said.add(key)
            return True

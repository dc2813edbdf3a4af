"""The settings that evaluations run by: the project's, but for what would falsify them, or reach people.

Calls are on record under an environment of their own, so that no figure of production counts them. No answer
is given from the answer cache, for the tape is what evaluations remember by; nothing waits for later.
"""

from decimal import Decimal
from typing import Any, Final

from roadworthy.settings import BudgetSettings, Settings

ENVIRONMENT: Final = "evals"
"""Where calls and runs of evaluations are on record."""
BUDGET: Final = "experiment"
_NOT_HERE = frozenset({"cache", "later"})


def evals_settings(settings: Settings, task: str, budget_usd: Decimal | None) -> Settings:
    """The settings of an experiment whose calls are for `task`, and may cost so much in all."""
    routes = {
        name: route.model_copy(
            update={
                "cache": None,
                "degrade_to": None,
                "then": [rung for rung in route.then if rung not in _NOT_HERE],
            }
        )
        for name, route in settings.routes.items()
    }
    budgets = dict(settings.budgets)
    if budget_usd is not None:
        # An experiment's id is a task of its own, so that a month of it is all of it.
        budgets[BUDGET] = BudgetSettings(scope="task", only=[task], per_month_usd=budget_usd)
    change: dict[str, Any] = {
        "environment": ENVIRONMENT,
        "routes": routes,
        "budgets": budgets,
        "throttles": {},
        "schedules": {},
    }
    return settings.model_copy(update=change)

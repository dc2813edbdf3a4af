"""What users would have seen, in figures: each run that was started counts once, by what answered it."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from roadworthy.errors import (
    BudgetSpent,
    ErrorKind,
    NeedsPerson,
    NotPermitted,
    RunTimeout,
    Throttled,
    TryLater,
)
from roadworthy.settings import Settings
from roadworthy.testing.drill.acts import Acted
from roadworthy.testing.drill.book import Book, Row

OWN_WAY = "the workflow's own way"
"""No rung of the route answered, and the run came to a result all the same."""
NO_MODEL = "no model needed"
SKIPPED = "skipped"
REJECTED = "rejected"
LATER, REVIEW, WAITING = "later", "review", "waiting"
PUT_OFF = frozenset({LATER, REVIEW, WAITING})
UNFINISHED = "unfinished"

_REFUSALS = frozenset(
    {error.code for error in (BudgetSpent, NeedsPerson, NotPermitted, Throttled, TryLater)}
    | {kind.value for kind in (ErrorKind.RATE_LIMITED_HERE, ErrorKind.OVER_BUDGET, ErrorKind.NOT_ALLOWED)}
)
"""Ends that tell a user what is the matter, and mostly when to come back."""
_GRACE_MS = 1000


@dataclass(frozen=True, slots=True)
class Figures:
    """One scenario's runs and requests."""

    runs: int
    answered: Mapping[str, int]
    """Runs by what answered them: a model's name, `cache`, `rule`, `later`, `review`, or a constant above."""
    degraded: int
    """Answered, but not as the route would on a good day."""
    late: int
    """Over the time of the route, or of the run."""
    refused: Mapping[str, int]
    """Ended with a status that says why, by its kind."""
    dead: Mapping[str, int]
    """Ended otherwise, by the kind of error."""
    wrong: int
    """A model's answer that the simulator made wrong came out of a call."""
    acted_on_wrong: int
    """Actions that were given such an answer, or a decision on it."""
    irreversible_on_wrong: int
    """Those of them that are irreversible."""
    p50_seconds: float | None
    p99_seconds: float | None
    spent_micro_usd: int
    cost_known: bool
    calls: int
    requests: int
    """To models, each attempt counted."""
    retries: int
    """The same request to the same model again."""
    acts: int
    irreversible: int
    repeated_acts: int
    """Asked for again under the same key, as after a crash; the outside can tell by the key."""
    by_tenant_p99_seconds: Mapping[str, float] = field(default_factory=dict[str, float])

    @property
    def retry_share(self) -> float:
        """Retries for each first request."""
        first = self.requests - self.retries
        return self.retries / first if first else 0.0

    @property
    def served(self) -> int:
        """Runs that came to a result at once."""
        return sum(count for how, count in self.answered.items() if how not in PUT_OFF)


def figures(
    book: Book,
    settings: Settings,
    started: Sequence[str],
    tenants: Mapping[str, str],
    wrong: set[tuple[str, str]],
    acts: Sequence[Acted],
) -> Figures:
    """The figures of a scenario. `wrong`: model and request id of each answer that was made wrong."""
    root_of = book.root_of()
    counted = set(started)
    runs = [run for run in book.runs if run["id"] in counted]
    calls = _by_root(book.calls, root_of)
    bad = wrong_calls(book, wrong)
    how = {run["id"]: _how(run, calls.get(run["id"], [])) for run in runs}
    seconds = {
        run["id"]: (run["finished_at"] - run["created_at"]) / 1000 for run in runs if run["finished_at"]
    }
    own_calls = [call for root in counted for call in calls.get(root, [])]
    own = {call["id"] for call in own_calls}
    requests = [one for one in book.requests if one["call_id"] in own]
    own_acts = [act for act in acts if root_of.get(act.run_id) in counted]
    return Figures(
        runs=len(runs),
        answered=Counter(what for kind, what in how.values() if kind == "answered"),
        degraded=sum(
            how[run["id"]][0] == "answered"
            and any(call["degraded"] and call["status"] == "succeeded" for call in calls.get(run["id"], []))
            for run in runs
        ),
        late=sum(_is_late(run, calls.get(run["id"], []), settings) for run in runs),
        refused=Counter(what for kind, what in how.values() if kind == "refused"),
        dead=Counter(what for kind, what in how.values() if kind == "dead"),
        wrong=len(bad & own),
        acted_on_wrong=sum(not bad.isdisjoint(act.answers) for act in own_acts),
        irreversible_on_wrong=sum(act.irreversible and not bad.isdisjoint(act.answers) for act in own_acts),
        p50_seconds=percentile(seconds.values(), 0.5),
        p99_seconds=percentile(seconds.values(), 0.99),
        spent_micro_usd=sum(one["cost_micro_usd"] for one in requests),
        cost_known=all(not one["cost_source"].endswith("unknown") for one in requests),
        calls=len(own_calls),
        requests=len(requests),
        retries=sum(one["reason"] == "retry" for one in requests),
        acts=len(own_acts),
        irreversible=sum(act.irreversible for act in own_acts),
        repeated_acts=len(own_acts) - len({(act.action, act.key) for act in own_acts}),
        by_tenant_p99_seconds={
            tenant: value
            for tenant in sorted(set(tenants.values()))
            if (value := percentile((s for run, s in seconds.items() if tenants.get(run) == tenant), 0.99))
            is not None
        },
    )


def wrong_calls(book: Book, wrong: set[tuple[str, str]]) -> set[str]:
    """The calls that gave an answer which was made wrong."""
    succeeded = {call["id"] for call in book.calls if call["status"] == "succeeded"}
    return {
        one["call_id"]
        for one in book.requests
        if one["status"] == "succeeded"
        and (one["model"], one["provider_request_id"]) in wrong
        and one["call_id"] in succeeded
    }


def percentile(values: Iterable[float], share: float) -> float | None:
    """The nearest-rank percentile; None without values."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(share * len(ranked)) - 1)] if ranked else None


def _by_root(rows: Iterable[Row], root_of: Mapping[str, str]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda one: (one["started_at"], one["id"])):
        root = root_of.get(row["run_id"])
        if root is not None:
            found.setdefault(root, []).append(row)
    return found


def _how(run: Row, calls: Sequence[Row]) -> tuple[str, str]:
    """`answered`, `refused` or `dead`, and by what or why."""
    status = run["status"]
    if status == "succeeded":
        ended = [call for call in calls if call["status"] in ("succeeded", "failed")]
        if not ended:
            return "answered", NO_MODEL
        last = ended[-1]
        return "answered", last["rung"] if last["status"] == "succeeded" else OWN_WAY
    if status in (SKIPPED, REJECTED):
        return "answered", status
    if status == "waiting":
        return "answered", _waits_for(run["waiting_for"] or "")
    if status in ("dead", "cancelled", "parked"):
        kind = run["error_kind"] or status
        return ("refused" if kind in _REFUSALS else "dead"), kind
    return "dead", UNFINISHED


def _waits_for(what: str) -> str:
    if what.startswith("later:"):
        return LATER
    return REVIEW if what.startswith("signal:review:") else WAITING


def _is_late(run: Row, calls: Sequence[Row], settings: Settings) -> bool:
    if run["over_budget"] or run["error_kind"] == RunTimeout.code:
        return True
    return any(
        call["finished_at"] is not None
        and call["route"] in settings.routes
        and call["finished_at"] - call["started_at"]
        > settings.routes[call["route"]].timeout_seconds * 1000 + _GRACE_MS
        for call in calls
    )

"""What is said when an answer is not valid, and when no model answered."""

from collections import Counter
from typing import TYPE_CHECKING

from roadworthy.calls.call import Progress, Skip
from roadworthy.errors import (
    BudgetSpent,
    ErrorKind,
    InvalidAnswer,
    NotPermitted,
    ProviderError,
    RoadworthyError,
)
from roadworthy.models import Message, Response
from roadworthy.records import iso
from roadworthy.telemetry.failures import kind_of

if TYPE_CHECKING:
    from roadworthy.calls.plan import Plan

_MOST_QUOTED = 8_000
"""Characters of an invalid answer that are shown to the model again."""


def correction(response: Response | None, error: InvalidAnswer) -> tuple[Message, Message]:
    """What the model said, and what is wrong with it: to be put after the conversation."""
    said = response.text[:_MOST_QUOTED] if response is not None else ""
    faults = "\n".join(f"- {fault}" for fault in error.details.get("faults", [error.message]))
    ask = f"That answer cannot be used:\n{faults}\nAnswer again, completely, in the form that was asked for."
    return Message("assistant", said or "(empty)"), Message("user", ask)


def nobody_answered(progress: Progress, plan: "Plan") -> RoadworthyError:
    """The one error for the caller: which models, what happened to each, what to do.

    Its class and kind are those of the last error that may pass, so that whoever retries does so where there
    is hope; else those of the last one. Where nothing was sent at all, they are those of what forbade it.
    """
    route, details = plan.route, _details(progress)
    last: dict[str, RoadworthyError] = {
        attempt.target.name: attempt.error
        for attempt in progress.attempts
        if isinstance(attempt.error, RoadworthyError)
    }
    if not last:
        return _nothing_sent(progress, plan)
    message = f"No model of route {route!r} answered: {_told(progress, last, plan)}."
    errors = list(last.values())
    passing = (
        error for error in reversed(errors) if isinstance(error, ProviderError) and error.kind.retryable
    )
    decisive = next(passing, errors[-1])
    if not isinstance(decisive, ProviderError):
        return InvalidAnswer(message, hint=_hint(last), details={**decisive.details, **details})
    error = ProviderError(
        message,
        kind=decisive.kind,
        hint=_hint(last),
        status=decisive.status,
        retry_after_seconds=decisive.retry_after_seconds,
    )
    error.details = details
    return error


def retry_after_seconds(progress: Progress) -> float | None:
    """How soon a model may answer again, by what models and limits said; None when nothing was said."""
    said = [skip.retry_after_seconds for skip in progress.skipped]
    said += [
        attempt.error.retry_after_seconds
        for attempt in progress.attempts
        if isinstance(attempt.error, ProviderError)
    ]
    return min((seconds for seconds in said if seconds is not None), default=None)


def _nothing_sent(progress: Progress, plan: "Plan") -> RoadworthyError:
    skipped = progress.skipped
    if not skipped:
        return ProviderError(
            f"No time was left to ask a model of route {plan.route!r}.",
            kind=ErrorKind.TIMEOUT,
            hint="Raise timeout_seconds of the workflow or the route, or do less before this call.",
        )
    told = "; ".join(f"{skip.name}: {skip.why}" for skip in skipped)
    message = f"No model of route {plan.route!r} was asked: {told}."
    error: RoadworthyError
    spent = _last(skipped, ErrorKind.OVER_BUDGET)
    busy = _last(skipped, ErrorKind.CIRCUIT_OPEN) or _last(skipped, ErrorKind.RATE_LIMITED_HERE)
    if busy is not None:
        error = ProviderError(
            message, kind=ErrorKind(busy.kind), retry_after_seconds=retry_after_seconds(progress)
        )
    elif spent is not None:
        until = f" It begins anew at {iso(spent.resets_at_ms)}." if spent.resets_at_ms else ""
        if spent.may_give_back:
            until += " It may have room as soon as requests under way have ended: ask again then."
        error = BudgetSpent(
            message,
            budget=spent.budget or "",
            resets_at_ms=spent.resets_at_ms,
            hint=f"Raise budgets.{spent.budget}, or give the route a cheaper model.{until}",
        )
    elif _last(skipped, ErrorKind.NOT_ALLOWED) is not None:
        error = NotPermitted(message, hint="Add a model in a permitted region to the route.")
    else:
        error = ProviderError(message, kind=ErrorKind.CONTEXT_WINDOW)
    error.details = _details(progress)
    return error


def _last(skipped: list[Skip], kind: ErrorKind) -> Skip | None:
    return next((skip for skip in reversed(skipped) if skip.kind == kind), None)


def _told(progress: Progress, last: dict[str, RoadworthyError], plan: "Plan") -> str:
    tries = Counter(attempt.target.name for attempt in progress.attempts)
    told = [
        f"{name}: {kind_of(error)}" + (f" after {tries[name]} attempts" if tries[name] > 1 else "")
        for name, error in last.items()
    ]
    told += [f"{skip.name}: {skip.why}" for skip in progress.skipped if skip.name not in last]
    mentioned = {*last, *(skip.name for skip in progress.skipped)}
    unasked = [target.name for target in plan.targets if target.name not in mentioned]
    if unasked:
        told.append(f"no time was left for {', '.join(unasked)}")
    return "; ".join(told)


def _hint(last: dict[str, RoadworthyError]) -> str:
    hints = {name: error.hint for name, error in last.items() if error.hint}
    if len(last) == 1:
        return next(iter(hints.values()), "")
    return " ".join(f"{name}: {hint}" for name, hint in hints.items())


def _details(progress: Progress) -> dict[str, object]:
    return {
        "call_id": progress.id,
        "attempts": [
            {"model": attempt.target.name, "reason": attempt.reason, "error_kind": attempt.error_kind}
            for attempt in progress.attempts
        ],
        "skipped": [
            {"model": skip.name, "kind": str(skip.kind), "why": skip.why} for skip in progress.skipped
        ],
    }

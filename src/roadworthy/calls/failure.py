"""What is said when an answer is not valid, and when no model answered."""

from collections import Counter

from roadworthy.calls.call import Progress
from roadworthy.errors import ErrorKind, InvalidAnswer, ProviderError, RoadworthyError
from roadworthy.models import Message, Response
from roadworthy.telemetry.failures import kind_of

_MOST_QUOTED = 8_000
"""Characters of an invalid answer that are shown to the model again."""


def correction(response: Response | None, error: InvalidAnswer) -> tuple[Message, Message]:
    """What the model said, and what is wrong with it: to be put after the conversation."""
    said = response.text[:_MOST_QUOTED] if response is not None else ""
    faults = "\n".join(f"- {fault}" for fault in error.details.get("faults", [error.message]))
    ask = f"That answer cannot be used:\n{faults}\nAnswer again, completely, in the form that was asked for."
    return Message("assistant", said or "(empty)"), Message("user", ask)


def nobody_answered(progress: Progress, models: list[str]) -> RoadworthyError:
    """The one error for the caller: which models, what happened to each, what to do.

    Its class and kind are those of the last error that may pass, so that whoever retries does so where there
    is hope; else those of the last one.
    """
    route, details = progress.call.route, _details(progress)
    last: dict[str, RoadworthyError] = {
        attempt.target.name: attempt.error
        for attempt in progress.attempts
        if isinstance(attempt.error, RoadworthyError)
    }
    if not last:
        return ProviderError(
            f"No time was left to ask a model of route {route!r}.",
            kind=ErrorKind.TIMEOUT,
            hint="Raise timeout_seconds of the workflow or the route, or do less before this call.",
        )
    message = f"No model of route {route!r} answered: {_told(progress, last, models)}."
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


def _told(progress: Progress, last: dict[str, RoadworthyError], models: list[str]) -> str:
    tries = Counter(attempt.target.name for attempt in progress.attempts)
    told = [
        f"{name}: {kind_of(error)}" + (f" after {tries[name]} attempts" if tries[name] > 1 else "")
        for name, error in last.items()
    ]
    unasked = [name for name in models if name not in last]
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
    }

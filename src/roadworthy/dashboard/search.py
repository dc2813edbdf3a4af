"""A filter as it is typed: `status:dead workflow:triage cost:>0.05 "refund"`. The fields are those of runs.

Words without a name are looked for in ids, errors and reasons of runs. What is not understood is told, and
nothing is left out silently.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Generic, TypeVar

from roadworthy.errors import InvalidInput, did_you_mean
from roadworthy.records import to_micro_usd
from roadworthy.workflows import Filter, RunStatus

W = TypeVar("W")
_WORD = re.compile(r'(?:(?P<name>[a-z]+):)?(?:"(?P<quoted>[^"]*)"|(?P<plain>\S+))')
_SPAN = re.compile(r"(\d+)(min|h|d)")
_SPAN_MS = {"min": 60_000, "h": 3_600_000, "d": 86_400_000}
_MOST_MS = 10**15
_MOST = Decimal(10**9)


@dataclass(frozen=True, slots=True)
class Field(Generic[W]):
    """What may be typed before a colon."""

    said: str
    """What it filters by, for people."""
    take: Callable[[W, str, int], W]
    """The filter with this value; the last argument is now, in milliseconds."""


def parse(text: str, now_ms: int) -> Filter:
    """The filter for runs that a text means. Raises `InvalidInput`."""
    where, words = parse_into(Filter(), FIELDS, text, now_ms)
    return replace(where, text=words) if words else where


def parse_into(where: W, fields: Mapping[str, Field[W]], text: str, now_ms: int) -> tuple[W, str]:
    """A filter with what a text says, and the words without a name. Raises `InvalidInput`."""
    words: list[str] = []
    for found in _WORD.finditer(text):
        value = found["quoted"] if found["quoted"] is not None else found["plain"]
        name = found["name"]
        if name is None:
            words.append(value)
        elif name not in fields:
            raise InvalidInput(f"There is no filter {name!r}.", hint=did_you_mean(name, fields))
        elif not value:
            raise InvalidInput(f"{name}: says nothing.")
        else:
            where = fields[name].take(where, value, now_ms)
    return where, " ".join(words)


def _status(where: Filter, value: str, _: int) -> Filter:
    states: list[RunStatus] = []
    for one in value.split(","):
        if one not in set(RunStatus):
            known = [str(status) for status in RunStatus]
            raise InvalidInput(
                f"There is no state {one!r}.", hint=did_you_mean(one, known) or f"One of {', '.join(known)}."
            )
        states.append(RunStatus(one))
    return replace(where, status=(*where.status, *states))


def _more_than(name: str, value: str) -> Decimal:
    try:
        least = Decimal(value.removeprefix(">").removeprefix("="))
    except InvalidOperation:
        least = Decimal("NaN")
    if not least.is_finite() or not 0 <= least <= _MOST:
        raise InvalidInput(f"{value!r} is no number.", hint=f"For example {name}:>0.05")
    return least


def _cost(where: Filter, value: str, _: int) -> Filter:
    return replace(where, min_cost_micro_usd=to_micro_usd(_more_than("cost", value)))


def _seconds(where: Filter, value: str, _: int) -> Filter:
    return replace(where, min_seconds=float(_more_than("seconds", value)))


def time_ms(value: str, now_ms: int) -> int:
    """A time in milliseconds: a date, or how long ago (24h, 7d). Raises `InvalidInput`."""
    span = _SPAN.fullmatch(value)
    if span:
        return max(0, now_ms - min(_MOST_MS, int(span[1]) * _SPAN_MS[span[2]]))
    try:
        moment = datetime.fromisoformat(value)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        raise InvalidInput(
            f"{value!r} is no time.", hint="For example since:24h, since:7d or since:2026-03-01."
        ) from None


def _since(where: Filter, value: str, now_ms: int) -> Filter:
    return replace(where, created_from=time_ms(value, now_ms))


def _until(where: Filter, value: str, now_ms: int) -> Filter:
    return replace(where, created_before=time_ms(value, now_ms))


FIELDS: Mapping[str, Field[Filter]] = {
    "status": Field("the state; several with commas", _status),
    "workflow": Field("the workflow's name", lambda where, value, _: replace(where, workflow=value)),
    "tenant": Field("the customer", lambda where, value, _: replace(where, tenant=value)),
    "user": Field("for whom it ran", lambda where, value, _: replace(where, user_id=value)),
    "tag": Field("one of its tags", lambda where, value, _: replace(where, tag=value)),
    "error": Field("the kind of error", lambda where, value, _: replace(where, error_kind=value)),
    "cost": Field("at least so many dollars: cost:>0.05", _cost),
    "seconds": Field("took at least so long: seconds:>30", _seconds),
    "since": Field("created since: 24h, 7d, 2026-03-01", _since),
    "until": Field("created before", _until),
    "batch": Field("the batch's id", lambda where, value, _: replace(where, batch_id=value)),
    "parent": Field("the run that started it", lambda where, value, _: replace(where, parent_run_id=value)),
}

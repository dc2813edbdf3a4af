"""What a command means: ids by their beginnings, and the filters of `runs list`."""

import re
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import TYPE_CHECKING, TypeVar

from roadworthy.cli.terminal import clean
from roadworthy.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from roadworthy.app import App
    from roadworthy.workflows import RunStatus

E = TypeVar("E", bound=Enum)

FEWEST_CHARS = 6
"""Of an id, after its prefix."""

_UNITS_MS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_SHOWN = 10
_MOST_BATCHES = 10_000


async def run_id(app: "App", given: str) -> str:
    """The id of the one run that begins so. Raises `InvalidInput`, `NotFound`."""
    from roadworthy.workflows import Filter

    start = _beginning(given, "run")
    # Ids end in hexadecimal digits, so everything that begins so lies right below this bound.
    found = await app.runs.find(Filter(), limit=_SHOWN + 1, after=f"{start}g")
    return _the_one(given, [run.id for run in found if run.id.startswith(start)], "run", "runs list")


async def batch_id(app: "App", given: str) -> str:
    """The id of the one batch that begins so. Raises `InvalidInput`, `NotFound`."""
    start = _beginning(given, "batch")
    found = [one for one in await app.batches.newest(_MOST_BATCHES) if one.startswith(start)]
    return _the_one(given, found, "batch", "batch list")


async def review_id(app: "App", given: str) -> str:
    """The id of the one review that begins so. Raises `InvalidInput`, `NotFound`."""
    start = _beginning(given, "review")
    found = await app.reviews.beginning_with(start, limit=_SHOWN + 1)
    return _the_one(given, found, "review", "reviews list")


async def record_id(app: "App", given: str, kind: str) -> str:
    """The id of the one run, call, review or feedback that begins so. Raises `InvalidInput`, `NotFound`."""
    if kind == "run":
        return await run_id(app, given)
    if kind == "review":
        return await review_id(app, given)
    import sqlalchemy as sa

    from roadworthy.db.tables.calls import calls
    from roadworthy.db.tables.feedback import feedback

    start = _beginning(given, kind)
    column = (calls if kind == "call" else feedback).c.id
    query = sa.select(column).where(column >= start, column < f"{start}g").limit(_SHOWN + 1)
    found = await app.database.read(lambda tx: list(tx.execute(query).scalars()))
    return _the_one(given, found, kind, "runs show ID --calls" if kind == "call" else "runs list")


def _beginning(given: str, kind: str) -> str:
    text = given.strip().lower()
    digits = text.removeprefix(f"{kind}_")
    if not re.fullmatch(r"[0-9a-f]{1,32}", digits):
        raise InvalidInput(
            f"{clean(given, most=100)!r} is not the id of a {kind}.",
            hint=f"It looks like {kind}_019a2b3c; {FEWEST_CHARS} characters after the prefix may be enough.",
        )
    if len(digits) < FEWEST_CHARS:
        raise InvalidInput(
            f"{given!r} is too short for an id.",
            hint=f"Give at least {FEWEST_CHARS} characters after '{kind}_'.",
        )
    return f"{kind}_{digits}"


def _the_one(given: str, found: list[str], kind: str, lists: str) -> str:
    if not found:
        raise NotFound(f"There is no {kind} {given!r}.", hint=f"List them: roadworthy {lists}")
    if len(found) > 1:
        more = ", and more" if len(found) > _SHOWN else ""
        raise InvalidInput(
            f"{given!r} is the beginning of more than one {kind}: {', '.join(found[:_SHOWN])}{more}.",
            hint="Give more of it.",
            details={"matches": found[:_SHOWN]},
        )
    return found[0]


def moment_ms(text: str, now_ms: int, option: str) -> int:
    """A time in milliseconds, from `2026-03-01`, `2026-03-01T09:30`, or how long ago: `90m`, `2h`, `7d`."""
    ago = re.fullmatch(r"(\d{1,9})([smhdw])", text.strip())
    if ago:
        return now_ms - int(ago[1]) * _UNITS_MS[ago[2]]
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise InvalidInput(
            f"{option}: {text!r} is not a time.",
            hint="Write 2026-03-01, 2026-03-01T09:30Z, or how long ago: 2h, 7d.",
        ) from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def statuses(names: list[str]) -> "tuple[RunStatus, ...]":
    """States by name. Raises `InvalidInput`."""
    from roadworthy.errors import did_you_mean
    from roadworthy.workflows import RunStatus

    try:
        return tuple(RunStatus(name) for name in names)
    except ValueError:
        wrong = next(name for name in names if name not in set(RunStatus))
        raise InvalidInput(
            f"There is no status {wrong!r}.", hint=did_you_mean(wrong, [one.value for one in RunStatus])
        ) from None


def one_of(kind: type[E], given: str, what: str) -> E:
    """The member of an enum by its value. Raises `InvalidInput` with those there are."""
    from roadworthy.errors import did_you_mean

    known = [str(one.value) for one in kind]
    if given not in known:
        near = did_you_mean(given, known) or f"Known: {', '.join(known)}."
        raise InvalidInput(f"{what}: there is no {clean(given, most=100)!r}.", hint=near)
    return kind(given)


def days(text: str, option: str) -> float:
    """Days, from `90d`, `12h`, `2w`. Raises `InvalidInput`."""
    found = re.fullmatch(r"(\d{1,6})([mhdw])", text.strip())
    if found is None:
        raise InvalidInput(f"{option}: {text!r} is no length of time.", hint="Write 90d, 12h or 2w.")
    return int(found[1]) * _UNITS_MS[found[2]] / _UNITS_MS["d"]


def micro_usd(text: str, option: str) -> int:
    """Dollars as micro-dollars. Raises `InvalidInput`."""
    try:
        return int(Decimal(text) * 1_000_000)
    except (InvalidOperation, ValueError, OverflowError):
        raise InvalidInput(f"{option}: {text!r} is not an amount of dollars.", hint="Write 0.05.") from None

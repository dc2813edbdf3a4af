"""What became of each arm of a split: `outcomes(tx, environment, subject)`, from what is on record of it.

Who is assigned is a key (a user), and calls of one key resemble each other: intervals count keys, not calls.
Per measure, sums over each key's calls are added up in the database; a rate is a ratio of two such sums, with
the variance of a ratio over clusters (Cochran, Sampling Techniques, 3rd ed., 6.4). Shares are moved by one
success and one failure (Agresti and Caffo, Am. Stat. 54, 2000), so that "none failed" is not certainty.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from roadworthy.db import one_state
from roadworthy.db.tables.calls import calls
from roadworthy.db.tables.feedback import feedback
from roadworthy.db.tables.releases import exposures
from roadworthy.db.tables.review import decisions, review_items
from roadworthy.evals.statistics import Interval, fit_p_value
from roadworthy.monitoring.latency import Latency, bucket, was_answered
from roadworthy.records import Json
from roadworthy.releases import Change, store
from roadworthy.releases.release import Arm

_MISMATCH = 0.001
_Z = 1.959964
_FLAG = "flag:"

MEASURES: Mapping[str, bool] = {
    "failed": True,
    "degraded": True,
    "approved": True,
    "edited": True,
    "rejected": True,
    "reviewed": True,
    "latency_seconds": False,
    "cost_usd": False,
    "feedback": False,
}
"""What is compared, and whether it is a share. `feedback` is a mean rating, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Rate:
    """One measure of one arm."""

    value: float | None
    """None where there is nothing to measure."""
    count: int
    """How many calls, decisions or ratings it is over."""
    variance: float | None
    """Of the value, over keys; None with fewer than two of them."""


@dataclass(frozen=True, slots=True)
class ArmOutcome:
    """What became of one arm."""

    name: str
    share: float
    """Its share of keys now; 0 when it is out."""
    keys: int
    """How many keys met it."""
    calls: int
    latency: Latency
    rates: Mapping[str, Rate]
    """By measure."""


@dataclass(frozen=True, slots=True)
class Outcomes:
    """A split, arm by arm."""

    subject: str
    split: Change
    """The newest change of its shares."""
    arms: tuple[ArmOutcome, ...]
    """The first is what the others are compared with."""
    mismatch_p: float
    """How likely the numbers of keys are by chance; under 0.001 some are missing: nothing can be said."""

    @property
    def mismatched(self) -> bool:
        """Whether the arms did not get the keys that their shares say."""
        return self.mismatch_p < _MISMATCH

    def difference(self, arm: ArmOutcome, measure: str) -> tuple[float, Interval] | None:
        """How much more than the first arm's, with its 95% interval; None where there is too little."""
        first, its = self.arms[0].rates[measure], arm.rates[measure]
        if its.value is None or first.value is None or its.variance is None or first.variance is None:
            return None
        half, value = _Z * math.sqrt(its.variance + first.variance), its.value - first.value
        return value, Interval(value - half, value + half)

    def as_json(self) -> dict[str, Json]:
        """For `--json` and the API."""
        return {
            "subject": self.subject,
            "revision": self.split.revision,
            "mismatch_p": self.mismatch_p,
            "mismatched": self.mismatched,
            "arms": [self._arm_json(arm) for arm in self.arms],
        }

    def _arm_json(self, arm: ArmOutcome) -> Json:
        measures: dict[str, Json] = {}
        for name, rate in arm.rates.items():
            difference = self.difference(arm, name) if arm is not self.arms[0] else None
            measures[name] = {
                "value": rate.value,
                "count": rate.count,
                "difference": difference[0] if difference else None,
                "low": difference[1].low if difference else None,
                "high": difference[1].high if difference else None,
            }
        return {
            "name": arm.name,
            "percent": 100 * arm.share,
            "keys": arm.keys,
            "calls": arm.calls,
            "latency_p50_seconds": arm.latency.seconds_at(0.5),
            "latency_p95_seconds": arm.latency.seconds_at(0.95),
            "measures": measures,
        }


def outcomes(tx: sa.Connection, environment: str, subject: str) -> Outcomes | None:
    """The newest split of a subject, arm by arm; None where there never was one."""
    one_state(tx)
    history = store.history(tx, environment, subject)
    split = next((change for change in history if len(change.arms) > 1), None)
    if split is None:
        return None
    its = exposures.c
    where = sa.and_(its.environment == environment, its.subject == subject, its.salt == split.salt)
    current = store.current(tx, environment).get(subject)
    shares = {arm.name: arm.share for arm in (current.arms if current is not None else ())}
    keys = _keys(tx, where)
    per_key = _measured(tx, where, of_runs=subject.startswith(_FLAG))
    latency = _latency(tx, where, of_runs=subject.startswith(_FLAG))
    names = list(dict.fromkeys([*(arm.name for arm in _before_first(split, history)), *keys]))
    arms = tuple(
        ArmOutcome(
            name,
            shares.get(name, 0.0),
            keys.get(name, 0),
            round(per_key.get((name, "failed"), _NOTHING).parts),
            Latency(latency.get(name, {})),
            {
                measure: _rate(per_key.get((name, measure), _NOTHING), share=MEASURES[measure])
                for measure in MEASURES
            },
        )
        for name in names
    )
    return Outcomes(subject, split, arms, _mismatch(tx, where, history))


@dataclass(frozen=True, slots=True)
class _Sums:
    """Over the keys of an arm: how many, and the sums of what each has (`whole`) of its calls (`parts`)."""

    keys: int = 0
    parts: float = 0.0
    whole: float = 0.0
    parts_squared: float = 0.0
    whole_squared: float = 0.0
    product: float = 0.0


_NOTHING = _Sums()


def _rate(sums: _Sums, *, share: bool) -> Rate:
    if not sums.parts:
        return Rate(None, 0, None)
    value, count = sums.whole / sums.parts, round(sums.parts)
    if sums.keys < 2:  # noqa: PLR2004 - one key has no variance
        return Rate(value, count, None)
    squares = sums.whole_squared - 2 * value * sums.product + value * value * sums.parts_squared
    variance = max(0.0, squares) * sums.keys / (sums.keys - 1) / sums.parts**2
    if share:
        simple = value * (1 - value) / sums.parts
        clustering = max(1.0, variance / simple) if simple else 1.0
        moved = (sums.whole + 1) / (sums.parts + 2)
        variance = clustering * moved * (1 - moved) / (sums.parts + 2)
    return Rate(value, count, variance)


def _keys(tx: sa.Connection, where: sa.ColumnElement[bool]) -> dict[str, int]:
    its = exposures.c
    query = sa.select(its.arm, sa.func.count(its.key_hash.distinct())).where(where).group_by(its.arm)
    return {arm: int(count) for arm, count in tx.execute(query.order_by(its.arm))}


def _join(
    of_runs: bool, call_id: sa.ColumnElement[str | None], run_id: sa.ColumnElement[str | None]
) -> sa.ColumnElement[bool]:
    """What belongs to an exposure: what belongs to its call, or of a flag, which has none, to its run."""
    return run_id == exposures.c.run_id if of_runs else call_id == exposures.c.call_id


def _measured(
    tx: sa.Connection, where: sa.ColumnElement[bool], *, of_runs: bool
) -> dict[tuple[str, str], _Sums]:
    def share(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[float]:
        return sa.case((condition, 1.0), else_=0.0)

    took = sa.cast(calls.c.finished_at - calls.c.started_at, sa.Float)
    of_calls = _join(of_runs, calls.c.id, calls.c.run_id) & calls.c.finished_at.is_not(None)
    item, decided, said = review_items.c, decisions.c, feedback.c
    reviewed = sa.select(item.call_id).where(item.call_id.is_not(None))  # made once, where no index helps
    rating = sa.case((said.scale == "thumbs", (said.rating + 1) / 2.0), else_=(said.rating - 1) / 4.0)
    tables: Sequence[tuple[sa.Table, sa.ColumnElement[bool], Mapping[str, sa.ColumnElement[float]]]] = (
        (
            calls,
            of_calls,
            {
                "failed": share(calls.c.status.in_(("failed", "lost"))),
                "degraded": share(calls.c.degraded),
                "cost_usd": sa.cast(calls.c.cost_micro_usd, sa.Float) / 1_000_000,
                "reviewed": share(calls.c.id.in_(reviewed)),
            },
        ),
        (calls, of_calls & was_answered, {"latency_seconds": took / 1000}),
        (
            decisions,
            _join(of_runs, decided.call_id, decided.run_id),
            {name: share(decided.verdict == name) for name in ("approved", "edited", "rejected")},
        ),
        (
            feedback,
            _join(of_runs, said.call_id, said.run_id) & said.rating.is_not(None),
            {"feedback": rating},
        ),
    )
    found: dict[tuple[str, str], _Sums] = {}
    for table, on, measures in tables:
        for arm, sums in _sums(tx, where, table, on, measures):
            found |= {(arm, measure): one for measure, one in sums.items()}
    return found


def _sums(
    tx: sa.Connection,
    where: sa.ColumnElement[bool],
    table: sa.Table,
    on: sa.ColumnElement[bool],
    measures: Mapping[str, sa.ColumnElement[float]],
) -> list[tuple[str, dict[str, _Sums]]]:
    its = exposures.c
    of_key = (
        sa.select(its.arm, sa.cast(sa.func.count(), sa.Float).label("parts"))
        .add_columns(*(sa.func.sum(one).label(name) for name, one in measures.items()))
        .select_from(exposures.join(table, on))
        .where(where)
        .group_by(its.arm, its.key_hash)
        .subquery()
    )
    parts = of_key.c.parts
    figures = [sa.func.count(), sa.func.sum(parts), sa.func.sum(parts * parts)]
    for name in measures:
        one = of_key.c[name]
        figures += [sa.func.sum(one), sa.func.sum(one * one), sa.func.sum(one * parts)]
    found: list[tuple[str, dict[str, _Sums]]] = []
    for arm, *row in tx.execute(sa.select(of_key.c.arm, *figures).group_by(of_key.c.arm)):
        keys, total, squared, *rest = (float(one) for one in row)
        triples = zip(rest[::3], rest[1::3], rest[2::3], strict=True)
        sums = {
            name: _Sums(int(keys), total, whole, squared, whole_squared, product)
            for name, (whole, whole_squared, product) in zip(measures, triples, strict=True)
        }
        found.append((arm, sums))
    return found


def _latency(tx: sa.Connection, where: sa.ColumnElement[bool], *, of_runs: bool) -> dict[str, dict[int, int]]:
    its, number = exposures.c, bucket.label("bucket")
    on = _join(of_runs, calls.c.id, calls.c.run_id) & was_answered
    query = sa.select(its.arm, number, sa.func.count()).select_from(exposures.join(calls, on)).where(where)
    found: dict[str, dict[int, int]] = {}
    for arm, one, count in tx.execute(query.group_by(its.arm, number)):
        found.setdefault(arm, {})[int(one)] = int(count)
    return found


def _mismatch(tx: sa.Connection, where: sa.ColumnElement[bool], history: Sequence[Change]) -> float:
    """Each key counts where it was met first, against the shares of that time."""
    its = exposures.c
    first = (
        sa.select(its.key_hash, sa.func.min(its.revision).label("revision"))
        .where(where)
        .group_by(its.key_hash)
        .subquery()
    )
    same = (first.c.key_hash == its.key_hash) & (first.c.revision == its.revision)
    query = (
        sa.select(its.revision, its.arm, sa.func.count(its.key_hash.distinct()))
        .select_from(exposures.join(first, same))
        .where(where)
        .group_by(its.revision, its.arm)
    )
    arms: dict[int, tuple[Arm, ...]] = {change.revision: change.arms for change in history}
    met: dict[str, float] = {}
    expected: dict[str, float] = {}
    for revision, arm, count in tx.execute(query):
        met[arm] = met.get(arm, 0.0) + int(count)
        for one in arms.get(revision, ()):
            expected[one.name] = expected.get(one.name, 0.0) + int(count) * one.share
    names = sorted({*met, *expected})
    return fit_p_value([met.get(name, 0.0) for name in names], [expected.get(name, 0.0) for name in names])


def _before_first(split: Change, history: Sequence[Change]) -> tuple[Arm, ...]:
    """The arms of a split, what served before it first: the others are compared with that."""
    began = [change for change in history if change.salt == split.salt and len(change.arms) > 1][-1]
    before = {arm.name for arm in began.before}
    return tuple(sorted(split.arms, key=lambda arm: arm.name not in before))

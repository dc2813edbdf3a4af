"""How good automatic decisions are, as far as people have looked: the state of the sampling on record.

One row for each workflow and prompt version, changed in the transaction that closes a sampled item. Another
version begins anew, because its answers are others.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from roadworthy.db import insert_once
from roadworthy.db.tables.review import decisions, review_items, review_quality
from roadworthy.records import Json, iso
from roadworthy.review.item import ItemStatus, Kind
from roadworthy.review.sampling import Aim, Watch, bound, clean_reviews_until

_NEW = Watch()
_MILESTONES = (0.5, 0.2, 0.1, 0.05)


@dataclass(frozen=True, slots=True)
class Quality:
    """What reviews have shown of one workflow with one prompt version."""

    workflow: str
    prompt_version: str
    watch: Watch = _NEW
    reviewed: int = 0
    """In all, also before an alarm."""
    errors: int = 0
    alarms: int = 0
    alarm_at: int | None = None
    """When the rate of errors rose last."""


@dataclass(frozen=True, slots=True)
class Stats:
    """Quality, and how much was decided by whom."""

    quality: Quality
    aim: Aim
    automatic: int = 0
    sampled: int = 0
    waiting: int = 0
    """Of the sampled ones, those that nobody has looked at yet."""
    held: int = 0
    """Decided by people."""

    @property
    def share_now(self) -> float:
        """The share of automatic decisions that is drawn now."""
        return self.aim.share(self.quality.watch.upper)

    @property
    def share_so_far(self) -> float | None:
        """The share that was drawn."""
        return self.sampled / self.automatic if self.automatic else None

    @property
    def share_held(self) -> float | None:
        """The share of all decisions that people made."""
        every = self.automatic + self.held
        return self.held / every if every else None

    @property
    def missed_error_rate(self) -> float:
        """At most this share of automatic decisions is wrong and unseen, with probability 1 - alpha."""
        return (1 - self.share_now) * self.quality.watch.upper

    def lowered_by(self) -> list[tuple[float, int]]:
        """Shares below the present one, with how many more reviews without an error lead there."""
        watch, aim = self.quality.watch, self.aim
        found: dict[int, float] = {}
        for wanted in sorted({*_MILESTONES, aim.floor}, reverse=True):
            more = clean_reviews_until(wanted, watch, aim) if wanted < self.share_now else None
            if more:
                upper = min(watch.upper, bound(watch.errors, watch.reviewed + more, aim.alpha))
                found[more] = aim.share(upper)
        return [(share, more) for more, share in found.items()]

    def as_json(self) -> dict[str, Json]:
        """For `--json`."""
        watch, quality = self.quality.watch, self.quality
        return {
            "workflow": quality.workflow,
            "prompt_version": quality.prompt_version,
            "error_rate_at_most": watch.upper,
            "missed_error_rate_at_most": self.missed_error_rate,
            "max_missed_error_rate": self.aim.max_missed_error_rate,
            "alpha": self.aim.alpha,
            "share_now": self.share_now,
            "share_so_far": self.share_so_far,
            "share_held": self.share_held,
            "automatic": self.automatic,
            "sampled": self.sampled,
            "waiting": self.waiting,
            "held": self.held,
            "reviewed": quality.reviewed,
            "errors": quality.errors,
            "reviewed_since_alarm": watch.reviewed,
            "errors_since_alarm": watch.errors,
            "alarms": quality.alarms,
            "alarm_at": None if quality.alarm_at is None else iso(quality.alarm_at),
            "lowered_by": [{"share": share, "more_clean_reviews": more} for share, more in self.lowered_by()],
        }


_INSERT = insert_once(
    review_quality,
    *("environment", "workflow", "prompt_version", "reviewed", "errors", "upper", "scores"),
    *("reviewed_in_all", "errors_in_all", "alarms", "updated_at"),
)


def of(tx: sa.Connection, environment: str, workflow: str, prompt_version: str) -> Quality:
    """What is known so far."""
    row = tx.execute(sa.select(review_quality).where(_key(environment, workflow, prompt_version))).first()
    return Quality(workflow, prompt_version) if row is None else _quality(row)


def record(
    tx: sa.Connection,
    environment: str,
    workflow: str,
    prompt_version: str,
    *,
    wrong: bool,
    aim: Aim,
    now_ms: int,
) -> tuple[Quality, bool]:
    """Note what a person found of one sampled decision; the quality after it, and whether it is an alarm."""
    key = _key(environment, workflow, prompt_version)
    _INSERT.run(
        tx,
        environment=environment,
        workflow=workflow,
        prompt_version=prompt_version,
        **_values(_NEW),
        reviewed_in_all=0,
        errors_in_all=0,
        alarms=0,
        updated_at=now_ms,
    )
    row = tx.execute(sa.select(review_quality).where(key).with_for_update()).one()
    watch, alarm = _quality(row).watch.saw(wrong, aim)
    tx.execute(
        sa.update(review_quality)
        .where(key)
        .values(
            **_values(watch),
            reviewed_in_all=row.reviewed_in_all + 1,
            errors_in_all=row.errors_in_all + wrong,
            alarms=row.alarms + alarm,
            alarm_at=now_ms if alarm else row.alarm_at,
            updated_at=now_ms,
        )
    )
    return of(tx, environment, workflow, prompt_version), alarm


def stats(tx: sa.Connection, environment: str, workflow: str | None, aims: Mapping[str, Aim]) -> list[Stats]:
    """Quality and counts for each workflow and prompt version that has decided anything, by name."""
    c = decisions.c
    where = [c.environment == environment] + ([c.workflow == workflow] if workflow else [])
    by_rule = sa.case((c.by == "rule", 1), else_=0)
    counted = (
        sa.select(
            c.workflow,
            c.prompt_version,
            sa.func.sum(by_rule).label("automatic"),
            sa.func.sum(sa.case((c.sampled, 1), else_=0)).label("sampled"),
            sa.func.count().label("every"),
        )
        .where(*where)
        .group_by(c.workflow, c.prompt_version)
        .order_by(c.workflow, c.prompt_version)
    )
    items = review_items.c
    waiting = (
        sa.select(items.workflow, items.prompt_version, sa.func.count().label("open"))
        .where(
            items.status == sa.literal_column(f"'{ItemStatus.OPEN}'"),
            items.kind == Kind.SAMPLE,
            items.environment == environment,
        )
        .group_by(items.workflow, items.prompt_version)
    )
    unseen = {(row.workflow, row.prompt_version): row.open for row in tx.execute(waiting)}
    return [
        Stats(
            of(tx, environment, row.workflow, row.prompt_version),
            aims.get(row.workflow, Aim()),
            automatic=int(row.automatic),
            sampled=int(row.sampled),
            waiting=unseen.get((row.workflow, row.prompt_version), 0),
            held=int(row.every - row.automatic),
        )
        for row in tx.execute(counted)
    ]


def _key(environment: str, workflow: str, prompt_version: str) -> sa.ColumnElement[bool]:
    c = review_quality.c
    return (c.environment == environment) & (c.workflow == workflow) & (c.prompt_version == prompt_version)


def _values(watch: Watch) -> dict[str, Any]:
    return {
        "reviewed": watch.reviewed,
        "errors": watch.errors,
        "upper": watch.upper,
        "scores": json.dumps(watch.scores),
    }


def _quality(row: Any) -> Quality:
    watch = Watch(row.reviewed, row.errors, row.upper, tuple(json.loads(row.scores)))
    return Quality(
        row.workflow,
        row.prompt_version,
        watch,
        row.reviewed_in_all,
        row.errors_in_all,
        row.alarms,
        row.alarm_at,
    )

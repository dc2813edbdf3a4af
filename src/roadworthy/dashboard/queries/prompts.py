"""What the pages of prompts show: every text a label stands for, and what each version was used for."""

from dataclasses import dataclass, field

import sqlalchemy as sa

from roadworthy.db.tables.prompts import prompt_labels, prompt_versions
from roadworthy.monitoring import Figures, Latency
from roadworthy.prompts.version import natural_key

_MOST_LABELS = 500


@dataclass(frozen=True, slots=True)
class Registered:
    """What a label stands for in this database."""

    label: str
    content_hash: str
    text: str
    registered_at: int
    moved_at: int | None
    """When it last moved to another text; only in development."""


@dataclass(frozen=True, slots=True)
class Use:
    """What the calls of a version came to."""

    figures: Figures = field(default_factory=Figures)
    latency: Latency = field(default_factory=lambda: Latency({}))

    @property
    def answered_share(self) -> float | None:
        """Which share of the calls ended with a valid answer; None without a call."""
        return self.figures.answered / self.figures.calls if self.figures.calls else None

    @property
    def cost_per_call_micro_usd(self) -> int | None:
        """Failed calls included; None without a call."""
        return round(self.figures.cost_micro_usd / self.figures.calls) if self.figures.calls else None

    def __add__(self, other: "Use") -> "Use":
        counts = dict(self.latency.counts)
        for bucket, count in other.latency.counts.items():
            counts[bucket] = counts.get(bucket, 0) + count
        return Use(self.figures + other.figures, Latency(counts))


def registered(tx: sa.Connection, prompt_id: str) -> list[Registered]:
    """Every label of a prompt that was ever registered, with its text, in natural order."""
    its = prompt_labels.c
    joined = sa.join(
        prompt_labels,
        prompt_versions,
        (prompt_versions.c.prompt_id == its.prompt_id) & (prompt_versions.c.content_hash == its.content_hash),
    )
    query = (
        sa.select(its.label, its.content_hash, prompt_versions.c.text, its.registered_at, its.moved_at)
        .select_from(joined)
        .where(its.prompt_id == prompt_id)
        .order_by(its.registered_at.desc())
        .limit(_MOST_LABELS)
    )
    found = [Registered(*row) for row in tx.execute(query)]
    return sorted(found, key=lambda one: natural_key(one.label))

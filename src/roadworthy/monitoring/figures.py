"""What some calls come to: their figures, added up by group."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from operator import add, attrgetter, sub
from typing import Any

import sqlalchemy as sa

from roadworthy.monitoring.grouping import Grouping
from roadworthy.monitoring.query import Key
from roadworthy.records import from_micro_usd


@dataclass(frozen=True, slots=True)
class Figures:
    """What some calls cost and what was saved on them."""

    calls: int = 0
    answered: int = 0
    """Those that ended with a valid answer, by whichever rung."""
    cache_answers: int = 0
    """Those whose answer was known already."""
    rule_answers: int = 0
    """Those that a rule answered before any model was asked."""
    attempts: int = 0
    """Requests to models."""
    input_tokens: int = 0
    """All tokens read, cached ones included."""
    output_tokens: int = 0
    cached_tokens: int = 0
    """The part of `input_tokens` that came from a provider's prefix cache."""
    cost_micro_usd: int = 0
    """What is known and what is assumed; a request without a known price adds nothing."""
    unknown_prices: int = 0
    """Requests whose price nobody knows: the cost is more than `cost_micro_usd`."""
    assumed: int = 0
    """Requests that are charged at an estimate, because the provider counted nothing."""
    assumed_micro_usd: int = 0
    """The part of `cost_micro_usd` that is such estimates."""
    saved_by_cache_micro_usd: int = 0
    """What the same answers cost when they were asked for."""
    saved_by_prefix_micro_usd: int = 0
    """By providers' prefix caches; less than 0 where writing into them cost more than it saved."""
    saved_by_batch_micro_usd: int = 0
    """What requests in a provider's batch would have cost more in the live lane."""
    saved_by_rules_micro_usd: int = 0
    saved_by_exits_micro_usd: int = 0
    """By early exits, as far as it can be said."""
    early_exits: int = 0
    """Runs that a rule ended before any call."""
    unpriced_exits: int = 0
    """Early exits of workflows that have no run to compare with: what they saved is not known."""

    def __add__(self, other: "Figures") -> "Figures":
        return Figures(*map(add, values_of(self), values_of(other)))

    def __sub__(self, other: "Figures") -> "Figures":
        return Figures(*map(sub, values_of(self), values_of(other)))

    @property
    def cost_usd(self) -> Decimal:
        """As far as it is known, exactly."""
        return from_micro_usd(self.cost_micro_usd)

    @property
    def saved_micro_usd(self) -> int:
        """In every way, as far as it is known."""
        return (
            self.saved_by_cache_micro_usd + self.saved_by_prefix_micro_usd + self.saved_by_batch_micro_usd
            + self.saved_by_rules_micro_usd + self.saved_by_exits_micro_usd
        )  # fmt: skip

    @property
    def cost_per_answer_usd(self) -> Decimal | None:
        """What one answered call cost, failed ones included; None without an answer or a known price."""
        if not self.answered or (self.unknown_prices and not self.cost_micro_usd):
            return None
        return self.cost_usd / self.answered


PLACE = {field.name: place for place, field in enumerate(fields(Figures))}
"""Where each figure stands among the values."""
values_of = attrgetter(*PLACE)
OF_EXITS = [PLACE[name] for name in ("early_exits", "unpriced_exits", "saved_by_exits_micro_usd")]


@dataclass(frozen=True, slots=True)
class Row:
    """The figures of one group."""

    key: Key
    """One text for each dimension of the query, in its order; empty where there is none."""
    figures: Figures


class Sums:
    """Figures by group, as they come in."""

    def __init__(self) -> None:
        self._found: dict[Key, list[int]] = {}

    def read(
        self, tx: sa.Connection, grouping: Grouping, statement: sa.Select[Any], names: Iterable[str]
    ) -> None:
        """Add what a statement gives: these figures, after the key."""
        places, width, key = [PLACE[name] for name in names], grouping.width, grouping.key
        for row in tx.execute(statement).all():
            self.add(key(row), places, row[width:])

    def add(self, key: Key, places: Iterable[int], values: Sequence[Any]) -> None:
        """Add some figures to a group's; the sum over no rows is None."""
        sums = self._found.get(key)
        if sums is None:
            sums = self._found[key] = [0] * len(PLACE)
        for place, value in zip(places, values, strict=True):
            if value:  # PostgreSQL adds whole numbers up to a decimal
                sums[place] += value if type(value) is int else int(value)

    def rows(self) -> list[Row]:
        """The groups that have anything."""
        return [Row(key, Figures(*sums)) for key, sums in self._found.items() if any(sums)]

    def total(self) -> Figures:
        """All groups together."""
        return Figures(*map(sum, zip(*self._found.values(), strict=True)))


def sum_of(rows: Iterable[Row]) -> Figures:
    """The figures of several rows together."""
    figures = [values_of(row.figures) for row in rows]
    return Figures(*map(sum, zip(*figures, strict=True))) if figures else Figures()

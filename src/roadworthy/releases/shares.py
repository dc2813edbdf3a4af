"""Who gets which arm: a key is hashed to one of 10,000 slots, and each arm owns slots.

When shares change, an arm that shrinks gives up just the slots that it loses, and one that grows takes just
those: no other key changes its arm. The salt is drawn anew for each split, so that two splits have nothing to
do with each other.
"""

import hashlib
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Final

from roadworthy.errors import InvalidInput
from roadworthy.releases.release import SLOTS, Arm, Range

_PER_PERCENT: Final = SLOTS // 100
_MOST_ARMS: Final = 20


def digest_of(salt: str, subject: str, key: str) -> bytes:
    """What a key is on record and in the draw; without the salt nobody can tell whose it is."""
    return hashlib.sha256(f"{salt}|{subject}|{key}".encode(errors="surrogatepass")).digest()


def slot_of(digest: bytes) -> int:
    """The slot of a key, 0 to 9,999."""
    return int.from_bytes(digest[:8], "big") % SLOTS


def shares_of(said: Sequence[str]) -> dict[str, int]:
    """Slots by name, of texts such as `v1=90`, in percent; a name alone gets everything.

    Raises `InvalidInput` when they do not make up 100 percent.
    """
    if len(said) == 1 and "=" not in said[0]:
        return {said[0]: SLOTS}
    shares: dict[str, Decimal] = {}
    for one in said:
        name, equals, percent = one.rpartition("=")
        try:
            share = Decimal(percent.removesuffix("%"))
        except InvalidOperation:
            share = Decimal("NaN")
        if not (equals and name and share.is_finite()):
            raise InvalidInput(f"{one!r} is no share.", hint="Write NAME=PERCENT, such as v1=90 v2=10.")
        if name in shares:
            raise InvalidInput(f"{name!r} has two shares.")
        shares[name] = share
    return slots_of(shares)


def slots_of(percents: Mapping[str, Decimal]) -> dict[str, int]:
    """Slots by name, of shares in percent. Raises `InvalidInput` when they do not make up 100."""
    if not 0 < len(percents) <= _MOST_ARMS:
        raise InvalidInput(f"A split has 1 to {_MOST_ARMS} arms.")
    slots: dict[str, int] = {}
    for name, percent in percents.items():
        if not percent.is_finite() or not 0 <= percent <= 100:  # noqa: PLR2004 - percent
            raise InvalidInput(f"The share of {name!r} is not between 0 and 100 percent.")
        if percent * _PER_PERCENT != int(percent * _PER_PERCENT):
            raise InvalidInput(f"The share of {name!r} is finer than a hundredth of a percent.")
        slots[name] = int(percent * _PER_PERCENT)
    if sum(slots.values()) != SLOTS:
        raise InvalidInput(f"The shares make {Decimal(sum(slots.values())) / _PER_PERCENT}, not 100 percent.")
    return slots


def reshare(arms: Sequence[Arm], wanted: Mapping[tuple[str, str], int]) -> tuple[Arm, ...]:
    """Arms with so many slots by name and content hash, from those that are, with the fewest moves.

    Arms that are to have none are left out. The slots wanted make up all there are.
    """
    kept: dict[tuple[str, str], list[Range]] = {key: [] for key in wanted}
    free: list[Range] = []
    for arm in arms:
        ranges, freed = _cut(arm.ranges, wanted.get(arm.key, 0))
        kept[arm.key] = ranges
        free += freed
    if not arms:
        free = [(0, SLOTS)]
    free.sort()
    made: list[Arm] = []
    for key, slots in wanted.items():
        ranges = kept[key]
        taken, free = _cut(free, slots - _size(ranges))
        if slots:
            made.append(Arm(*key, tuple(_joined([*ranges, *taken]))))
    return tuple(made)


def _cut(ranges: Sequence[Range], slots: int) -> tuple[list[Range], list[Range]]:
    """The first so many slots, and the others."""
    first: list[Range] = []
    rest: list[Range] = []
    for start, end in ranges:
        middle = min(end, start + max(0, slots))
        slots -= middle - start
        first += [(start, middle)] if middle > start else []
        rest += [(middle, end)] if end > middle else []
    return first, rest


def _joined(ranges: Sequence[Range]) -> list[Range]:
    made: list[Range] = []
    for start, end in sorted(ranges):
        if made and made[-1][1] == start:
            made[-1] = (made[-1][0], end)
        else:
            made.append((start, end))
    return made


def _size(ranges: Sequence[Range]) -> int:
    return sum(end - start for start, end in ranges)

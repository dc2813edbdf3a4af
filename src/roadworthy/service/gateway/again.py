"""The same `Idempotency-Key` gets the same answer: made once, billed once, kept for a day.

    claim      the key is taken before the call is made; another body under it is a conflict
    keep       the answer is stored in the transaction that records its call
    release    a call that failed leaves nothing, and may be tried again

A key belongs to whoever uses it, for one tenant and one address. While its call is under way the same key is
told to come again; a process that died is waited for until its call must have ended.
"""

from dataclasses import asdict, dataclass
from decimal import Decimal
from hashlib import sha256
from typing import Any, TypeVar, cast

import sqlalchemy as sa

from roadworthy.calls import Answer, Output
from roadworthy.db import Database, insert_once, pack, unpack
from roadworthy.db.tables.gateway import gateway_answers
from roadworthy.errors import IdempotencyConflict
from roadworthy.records import Clock, Usage
from roadworthy.service.gateway.fault import Fault

T = TypeVar("T")

_KEPT_MS = 24 * 3_600_000
_GRACE_MS = 60_000
_SWEEP_SECONDS = 60.0
_row = gateway_answers.c
_INSERT = insert_once(gateway_answers, "key", "body_hash", "call_id", "expires_at")


@dataclass(frozen=True, slots=True)
class Claim:
    """A key that is ours to answer."""

    key: str
    call_id: str


class Again:
    """The keys and their answers. One for an application."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._swept = 0.0

    async def claim(
        self, name: tuple[str, ...], raw: bytes, call_id: str, seconds: float, output: Output[T]
    ) -> Claim | Answer[T]:
        """Take a key for so many seconds, or get the answer that it has.

        Raises:
            IdempotencyConflict: The key was used with another body.
            Fault: Its call is still under way.
        """
        key = sha256("\0".join(name).encode(errors="surrogatepass")).hexdigest()
        body_hash = sha256(raw).hexdigest()
        now_ms = self._clock.now_ms()
        until = now_ms + int(seconds * 1000) + _GRACE_MS
        mine, found = await self._database.write(
            lambda tx: _claim(tx, key, body_hash, call_id, now_ms, until)
        )
        await self._sweep(now_ms)
        if mine:
            return Claim(key, call_id)
        if found is not None and found.body_hash != body_hash:
            raise IdempotencyConflict(
                "The Idempotency-Key was used before with another body.", hint="Use a new key for it."
            )
        if found is None or found.answer is None:
            told = "The request with this Idempotency-Key is still being answered."
            raise Fault(409, told, "conflict_error", "idempotency_in_progress", retry_after_seconds=1)
        return _answer(unpack(bytes(found.answer)), output)

    def keep(self, tx: sa.Connection, claim: Claim, answer: Answer[T], output: Output[T]) -> None:
        """Store the answer, in the transaction that records its call."""
        values = {"answer": _packed(answer, output), "expires_at": self._clock.now_ms() + _KEPT_MS}
        its = sa.and_(_row.key == claim.key, _row.call_id == claim.call_id)
        tx.execute(sa.update(gateway_answers).where(its).values(values))

    async def release(self, claim: Claim) -> None:
        """Let the key be used again: its call had no answer."""
        its = sa.and_(_row.key == claim.key, _row.call_id == claim.call_id, _row.answer.is_(None))
        await self._database.write(lambda tx: tx.execute(sa.delete(gateway_answers).where(its)))

    async def _sweep(self, now_ms: int) -> None:
        now = self._clock.monotonic()
        if now - self._swept >= _SWEEP_SECONDS:
            self._swept = now
            over = sa.delete(gateway_answers).where(_row.expires_at <= now_ms)
            await self._database.write(lambda tx: tx.execute(over))


def _claim(
    tx: sa.Connection, key: str, body_hash: str, call_id: str, now_ms: int, until: int
) -> tuple[bool, Any]:
    """Whether the key is ours now, and what is known of it; nothing when it was released this moment."""
    tx.execute(sa.delete(gateway_answers).where(_row.key == key, _row.expires_at <= now_ms))
    if _INSERT.run(tx, key=key, body_hash=body_hash, call_id=call_id, expires_at=until).rowcount:
        return True, None
    found = tx.execute(sa.select(gateway_answers).where(_row.key == key)).one_or_none()
    # The work runs twice where its first answer was lost.
    return found is not None and found.call_id == call_id, found


def _packed(answer: Answer[T], output: Output[T]) -> bytes:
    said = {name: getattr(answer, name) for name in _KEPT if name not in ("value", "usage")}
    money = {name: str(said[name]) for name in _MONEY}
    return pack(
        cast("Any", {**said, **money, "value": output.dump(answer.value), "usage": asdict(answer.usage)})
    )


def _answer(stored: Any, output: Output[T]) -> Answer[T]:
    said: dict[str, Any] = {**stored, **{name: Decimal(stored[name]) for name in _MONEY}}
    said |= {"value": output.load(stored["value"]), "usage": Usage(**stored["usage"])}
    return Answer(**said)


_KEPT = tuple(Answer.__dataclass_fields__)
_MONEY = ("cost_usd", "saved_usd")

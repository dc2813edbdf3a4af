"""One answer that may be given again, and the few of them that a process holds in memory.

The memory has two bounds, entries and bytes; what was not used for longest goes first. It is an ordered
dictionary: `cachetools` knows one bound, and would be a dependency for twenty lines.
"""

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock

from roadworthy.db import pack, unpack
from roadworthy.records import Json, Usage
from roadworthy.settings import AnswerCacheSettings

CLOCKS_DIFFER_MS = 5_000
"""The clocks of machines may be apart by so much; an answer from further ahead is from before a jump."""
_TRUSTED_SECONDS = 30.0
_OVERHEAD_BYTES = 512
"""What an entry takes up beside its payload, about."""


@dataclass(frozen=True, slots=True)
class Cached:
    """An answer that may be given again."""

    key: str
    prompt_id: str
    tenant: str
    """Who asked for it."""
    model: str
    """The model that gave it."""
    rung: str
    payload: bytes
    """The answer as it is stored; `value` reads it."""
    usage: Usage
    cost_micro_usd: int
    """What it cost when it was asked for: what giving it again saves."""
    confidence: float | None
    degraded: bool
    made_at: int
    fresh_until: int
    """From then on it only helps out when no model answers."""
    stale_until: int
    """From then on it is not given at all."""
    complete: bool = True
    """Whether the model came to its end (`finish_reason` is `stop`). Half an answer is never kept."""

    @classmethod
    def make(
        cls,
        key: str,
        value: Json,
        *,
        prompt_id: str,
        tenant: str,
        model: str,
        rung: str,
        usage: Usage,
        cost_micro_usd: int,
        degraded: bool,
        complete: bool,
        now_ms: int,
        settings: AnswerCacheSettings,
        confidence: float | None = None,
    ) -> "Cached":
        """An answer of this moment, kept for as long as the route says.

        Raises:
            InvalidInput: JSON cannot say it.
        """
        fresh_until = now_ms + round(settings.ttl_seconds * 1000)
        return cls(
            key=key,
            prompt_id=prompt_id,
            tenant=tenant,
            model=model,
            rung=rung,
            payload=pack(value),
            usage=usage,
            cost_micro_usd=cost_micro_usd,
            confidence=confidence,
            degraded=degraded,
            made_at=now_ms,
            fresh_until=fresh_until,
            stale_until=fresh_until + round(settings.stale_seconds * 1000),
            complete=complete,
        )

    @property
    def value(self) -> Json:
        """The answer, made anew each time: whoever gets it may change it."""
        return unpack(self.payload)

    def usable(self, now_ms: int, *, stale: bool) -> bool:
        """Whether it may be given at that moment. One from the future, by a clock that jumped, is stale."""
        if stale:
            return now_ms < self.stale_until
        return self.made_at - CLOCKS_DIFFER_MS <= now_ms < self.fresh_until


class Memory:
    """The answers last used, by key, each with when the table was asked for it. Usable from any thread."""

    def __init__(self, max_entries: int, max_bytes: int) -> None:
        self._max_entries, self._max_bytes = max_entries, max_bytes
        self._bytes = 0
        self._entries: OrderedDict[str, tuple[Cached, float]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: str, now: float) -> Cached | None:
        """The answer under that key, unless the table has to be asked again. `now` is in seconds."""
        with self._lock:
            found = self._entries.get(key)
            if found is None or now - found[1] > _TRUSTED_SECONDS:
                return None
            self._entries.move_to_end(key)
            return found[0]

    def put(self, entry: Cached, now: float) -> None:
        """Hold an answer that is in the table now."""
        with self._lock:
            before = self._entries.get(entry.key)
            if (
                before is not None
                and before[0].made_at > entry.made_at
                and now - before[1] <= _TRUSTED_SECONDS
            ):
                return  # it was read from the table before a newer one was stored
            self._drop(entry.key)
            self._entries[entry.key] = (entry, now)
            self._bytes += _size(entry)
            while self._bytes > self._max_bytes or len(self._entries) > self._max_entries:
                self._drop(next(iter(self._entries)))

    def drop(self, key: str) -> None:
        """Hold it no longer."""
        with self._lock:
            self._drop(key)

    def clear(self) -> None:
        """Hold nothing."""
        with self._lock:
            self._entries.clear()
            self._bytes = 0

    def _drop(self, key: str) -> None:
        found = self._entries.pop(key, None)
        if found is not None:
            self._bytes -= _size(found[0])


def _size(entry: Cached) -> int:
    return len(entry.payload) + _OVERHEAD_BYTES

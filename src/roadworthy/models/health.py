"""What processes tell each other about models, through the database: `Health`.

    say         a breaker opened or closed, a provider asked for a pause: written in the background
    hear        the whole small table is read in the background, once a second while there are requests
    claim       before it probes an open model, a process takes one of the model's places to probe from

No request to a model that works waits for any of this. Without the database a process goes by what it sees.

One process that cannot reach a provider must not take the model from all others. So who finds a model well is
believed over who does not: for a while nobody can open it for the others, and only the process that opened
a breaker anew may, not one whose probe failed.
"""

import asyncio
import logging
from collections.abc import Callable

import sqlalchemy as sa

from roadworthy.db import Database
from roadworthy.errors import DatabaseError
from roadworthy.models import health_store as store
from roadworthy.models.breaker import State
from roadworthy.models.health_store import Report, Voice
from roadworthy.records import Clock

_PAUSE_SECONDS = 1.0
"""The table is read no more often than this, and a database that is away is left alone for so long."""
_CLAIM_SECONDS = 2.0
"""A probe waits no longer for the database; it is then made all the same."""

_log = logging.getLogger("roadworthy.models")
_Write = Callable[[sa.Connection], object]


class Health:
    """The processes' common knowledge. One for a process.

    `process` is this process's name, which no other has. `heard_state` and `heard_block` are told what others
    have written, once for each change.
    """

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        environment: str,
        process: str,
        heard_state: Callable[[Report], None],
        heard_block: Callable[[Report], None],
    ) -> None:
        self._database = database
        self._clock = clock
        self._environment = environment
        self._process = process
        self._heard_state = heard_state
        self._heard_block = heard_block
        self._known: dict[str, Report] = {}
        self._unsaid: dict[tuple[str, str], _Write] = {}
        """What is to be written, the newest of each kind for a model."""
        self._talk: asyncio.Task[None] | None = None
        self._talked_at: float | None = None
        self._out_of_reach = False
        self._closed = False

    def known(self, model: str) -> Report | None:
        """What others have written last about a model."""
        report = self._known.get(model)
        return None if report is None or report.by == self._process else report

    def tick(self) -> None:
        """Talk in the background if it is time to. Costs less than a microsecond when it is not."""
        now = self._clock.monotonic()
        recent = self._talked_at is not None and now - self._talked_at < _PAUSE_SECONDS
        if self._closed or (recent and (self._out_of_reach or not self._unsaid)):
            return
        if self._talk is not None and not (self._talk.done() or self._talk.get_loop().is_closed()):
            return
        self._talk = asyncio.get_running_loop().create_task(self._exchange_quietly())
        self._talked_at = now

    def opened(self, model: str, seconds: float, *, again: bool, trust_seconds: float) -> None:
        """Say that this process's breaker opened, `again` where it was a probe that failed.

        It is not said over another process that found the model well in the last `trust_seconds`.
        """
        now_ms = self._clock.now_ms()
        until_ms, voice = now_ms + round(seconds * 1000), self._voice(model)
        if again:
            self._say(model, "state", lambda tx: store.opened_again(tx, voice, until_ms, now_ms))
        else:
            trust_ms = round(trust_seconds * 1000)
            self._say(model, "state", lambda tx: store.opened(tx, voice, until_ms, now_ms, trust_ms))

    def closed(self, model: str) -> None:
        """Say that this process's probes found the model working."""
        now_ms, voice = self._clock.now_ms(), self._voice(model)
        self._say(model, "state", lambda tx: store.closed(tx, voice, now_ms))

    def blocked(self, model: str, seconds: float) -> None:
        """Say that the provider wants no requests for so long."""
        until_ms, voice = self._clock.now_ms() + round(seconds * 1000), self._voice(model)
        self._say(model, "block", lambda tx: store.blocked(tx, voice, until_ms))

    def probed(self, model: str) -> None:
        """Give back the place from which this process probed."""
        voice = self._voice(model)
        self._say(model, "place", lambda tx: store.leave(tx, voice))

    async def claim(self, model: str, *, places: int, seconds: float, seconds_left: float) -> bool:
        """Take a place to probe from, for so long at most; False when other processes have them all."""
        self._unsaid.pop((model, "place"), None)
        now_ms, voice = self._clock.now_ms(), self._voice(model)
        until_ms = now_ms + round(seconds * 1000)
        try:
            async with asyncio.timeout(min(_CLAIM_SECONDS, seconds_left)):
                return await self._database.write(lambda tx: store.claim(tx, voice, places, until_ms, now_ms))
        except (DatabaseError, TimeoutError) as error:
            _log.warning("model %s is probed without asking the other processes", model, exc_info=error)
            return True

    async def refresh(self) -> None:
        """Talk now, after a talk that is under way.

        Raises:
            DatabaseError: It cannot be reached; what is unsaid is kept.
        """
        talk = self._talk
        if talk is not None and not talk.done() and talk.get_loop() is asyncio.get_running_loop():
            await asyncio.wait([talk])
        await self._exchange()

    async def _exchange(self) -> None:
        """Write what is unsaid, then read what others have written."""
        unsaid, self._unsaid = self._unsaid, {}

        def talk(tx: sa.Connection) -> list[Report]:
            for write in unsaid.values():
                write(tx)
            return store.read(tx, self._environment)

        try:
            reports = await (self._database.write(talk) if unsaid else self._database.read(talk))
        except BaseException:
            self._unsaid = {**unsaid, **self._unsaid}
            raise
        for report in reports:
            self._hear(report)

    async def close(self) -> None:
        """Stop, after what is unsaid has been written."""
        self._closed = True
        if self._talk is not None and not self._talk.done():
            await asyncio.wait([self._talk], timeout=_CLAIM_SECONDS)
        if self._unsaid and not self._out_of_reach:
            await self._exchange_quietly()

    async def _exchange_quietly(self) -> None:
        try:
            await self._exchange()
            while self._unsaid:
                await self._exchange()
        except DatabaseError as error:
            if not self._out_of_reach:
                _log.warning("the state of models cannot be shared with other processes", exc_info=error)
            self._out_of_reach = True
        else:
            self._out_of_reach = False

    def _hear(self, report: Report) -> None:
        before = self._known.get(report.model)
        if (report.model, "state") in self._unsaid:
            return  # we know better by now
        self._known[report.model] = report
        if report.by not in ("", self._process) and (before is None or _state(before) != _state(report)):
            self._heard_state(report)
        if before is None or before.blocked_until_ms != report.blocked_until_ms:
            self._heard_block(report)

    def _say(self, model: str, what: str, write: _Write) -> None:
        self._unsaid[model, what] = write
        try:
            self.tick()
        except RuntimeError:  # no event loop runs here: the next request takes it along
            return

    def _voice(self, model: str) -> Voice:
        return Voice(self._environment, model, self._process)


def _state(report: Report) -> tuple[State, int, int, str]:
    return report.state, report.open_until_ms, report.updated_at, report.by

"""Refusals on the audit log: who was refused what, and how often, so that a flood does not fill the disk.

What is refused in one minute for the same reason to the same principal, or address, is one entry with a
count. Entries are written a few seconds later, apart from the requests, so that no refusal waits for it.
"""

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.types import Scope

from roadworthy.audit import Action, Actor, ActorKind, Outcome, acting
from roadworthy.errors import RoadworthyError
from roadworthy.service.exchange import Exchange

if TYPE_CHECKING:
    from roadworthy.app import App

_REFUSED = frozenset({401, 403, 404, 408, 413, 414, 421, 429})
_WRITE_EVERY_SECONDS = 5.0
_MINUTE_MS = 60_000
_MOST_KINDS = 200
"""So many different refusals of one minute are told apart; the others are one."""
_log = logging.getLogger("roadworthy.service")


@dataclass(frozen=True, slots=True)
class Refusal:
    """What is told apart."""

    minute: int
    kind: ActorKind
    id: str
    name: str
    status: int
    code: str
    route: str
    client: str


@dataclass(slots=True)
class Tally:
    """How often, and the first of them."""

    request_id: str
    count: int = 0


class Refusals:
    """Counts refusals and writes them down."""

    def __init__(self, app: "App") -> None:
        self._app = app
        self._counted: dict[Refusal, Tally] = {}
        self._writing: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Write from now on."""
        self._writing = asyncio.create_task(self._keep_writing(), name="roadworthy-refusals")

    async def stop(self) -> None:
        """Write what is left, and no more."""
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)
        await self.write()

    def note(self, scope: Scope, exchange: Exchange, seconds: float) -> None:
        """Count a request if it was refused."""
        del seconds
        if exchange.status not in _REFUSED or (exchange.status == 404 and exchange.principal is None):  # noqa: PLR2004
            return  # a stranger who asks for an address that is none is not worth an entry
        principal = exchange.principal
        refusal = Refusal(
            self._app.clock.now_ms() // _MINUTE_MS,
            ActorKind(principal.kind.value) if principal else ActorKind.ANONYMOUS,
            principal.id if principal else exchange.client,
            principal.name if principal else "",
            exchange.status,
            exchange.code,
            str(getattr(scope.get("route"), "path", "")),
            exchange.client,
        )
        if refusal not in self._counted and len(self._counted) >= _MOST_KINDS:
            refusal = Refusal(refusal.minute, ActorKind.ANONYMOUS, "", "", 0, "others", "", "")
        self._counted.setdefault(refusal, Tally(exchange.request_id)).count += 1

    async def write(self) -> None:
        """Put what was counted on the audit log."""
        counted, self._counted = self._counted, {}
        for refusal, tally in counted.items():
            actor = Actor(refusal.kind, refusal.id, refusal.name, tally.request_id)
            with acting(actor):
                await self._app.audit.record(
                    Action.REQUEST_REFUSED,
                    outcome=Outcome.REFUSED,
                    detail={
                        "status": refusal.status,
                        "code": refusal.code,
                        "route": refusal.route,
                        "client": refusal.client,
                        "count": tally.count,
                    },
                )

    async def _keep_writing(self) -> None:
        while True:
            await asyncio.sleep(_WRITE_EVERY_SECONDS)
            try:
                await self.write()
            except RoadworthyError:
                _log.exception("refusals could not be written to the audit log")

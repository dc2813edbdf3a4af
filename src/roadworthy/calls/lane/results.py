"""What batches bring, and what they never will: `Results`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from roadworthy.calls import store
from roadworthy.calls.admit import Admissions
from roadworthy.calls.attempt import Attempt, AttemptStatus
from roadworthy.calls.lane.packing import dump_request, dump_response, load_request
from roadworthy.calls.lane.request import PROVIDER_BATCH, LaneRequest, LaneStatus
from roadworthy.calls.lane.store import requests
from roadworthy.db import pack
from roadworthy.errors import ErrorKind, ProviderError
from roadworthy.models import Models, Request
from roadworthy.models.provider_batch import BatchResult
from roadworthy.records import Clock
from roadworthy.telemetry import Telemetry


@dataclass(frozen=True, slots=True)
class Ended:
    """What a batch brought for one request, ready to be stored."""

    request: LaneRequest
    attempt: Attempt
    result: bytes | None


class Results:
    """Makes attempts of what batches bring, and settles them."""

    def __init__(self, *, models: Models, telemetry: Telemetry, clock: Clock, admissions: Admissions) -> None:
        self._models = models
        self._telemetry = telemetry
        self._clock = clock
        self._admissions = admissions

    def ended(self, request: LaneRequest, result: BatchResult) -> Ended:
        """The attempt that a result is. Reads the table of prices: call it in a thread."""
        target = self._models.target(request.model)
        attempt = Attempt(1, "first", target, load_request(request.request), self._clock)
        attempt.lane, attempt.admission = PROVIDER_BATCH, request.hold
        waited = (attempt.started_at - request.made_at) / 1000
        attempt.started_at = request.made_at
        packed = None
        if result.response is not None:
            response = replace(result.response, sent=dump_request(attempt.request))
            attempt.answered(response)
            attempt.succeeded()
            packed = pack(dump_response(response))
        else:
            attempt.failed(result.error or _nothing(request))
        attempt.duration_seconds = max(0.0, waited)
        return Ended(request, attempt, packed)

    def record(self, tx: sa.Connection, ended: Sequence[Ended], now_ms: int) -> dict[str, LaneStatus]:
        """Store what came of requests and settle it, each once; the states of those that were stored now."""
        stored: dict[str, LaneStatus] = {}
        scrub = self._telemetry.scrubber.scrub
        settled: list[Attempt] = []
        for one in ended:
            attempt, request = one.attempt, one.request
            answered = attempt.response is not None
            status = LaneStatus.ANSWERED if answered else LaneStatus.FAILED
            became = requests.end(tx, request.id, status, one.result, attempt.error_kind, now_ms)
            if became is None:
                continue
            stored[request.id] = became
            if became is LaneStatus.LATE and answered:
                attempt.status = AttemptStatus.CANCELLED  # paid for, and nobody's answer
            store.add_attempt(tx, request.call_id, request.run_id, attempt, scrub)
            store.add_up(tx, request.call_id, now_ms)
            settled.append(attempt)
        self._admissions.settle_together(tx, settled, now_ms)
        return stored

    def report(self, ended: Ended) -> None:
        """Report an attempt that is stored."""
        attempt, request = ended.attempt, ended.request
        about: dict[str, Any] = {
            "call_id": request.call_id,
            "run_id": request.run_id,
            "step_id": request.step_id,
            "number": attempt.number,
            "reason": attempt.reason,
            "model": attempt.target.name,
            "provider": attempt.target.provider,
            "duration_seconds": attempt.duration_seconds,
            "cost_usd": attempt.cost_usd,
            "input_tokens": attempt.usage.input_tokens,
            "output_tokens": attempt.usage.output_tokens,
            "cache_read_tokens": attempt.usage.cache_read_tokens,
            "cache_write_tokens": attempt.usage.cache_write_tokens,
        }
        self._admissions.overrun(attempt)
        self._admissions.settled([attempt])
        if attempt.response is not None:
            reason = attempt.response.finish_reason
            self._telemetry.emit(
                "attempt.finished", **about, provider_model=attempt.served_model, finish_reason=reason
            )
        else:
            self._telemetry.emit(
                "attempt.failed",
                error=attempt.error,
                **about,
                error_kind=attempt.error_kind or "unknown",
                http_status=attempt.http_status,
            )

    def withdraw(self, tx: sa.Connection, request: LaneRequest, now_ms: int) -> bool:
        """Take a request back that was never submitted; what is set aside for it is free again."""
        return self._withdraw(tx, request, LaneStatus.WAITING, now_ms)

    def never_sent(self, tx: sa.Connection, request: LaneRequest, now_ms: int) -> bool:
        """The same for one whose batch turned out not to be at the provider, and that nobody waits for."""
        return self._withdraw(tx, request, LaneStatus.LATE, now_ms)

    def _withdraw(self, tx: sa.Connection, request: LaneRequest, came_from: LaneStatus, now_ms: int) -> bool:
        gone = requests.move(
            tx, request.id, came_from, LaneStatus.WITHDRAWN, ended_at=now_ms, request=None, batch_id=None
        )
        if gone and request.hold is not None:
            self._admissions.withdraw(tx, request.hold, now_ms)
        return gone

    def request_of(self, request: LaneRequest) -> Request:
        """What is asked of the model."""
        return load_request(request.request)


def _nothing(request: LaneRequest) -> ProviderError:
    return ProviderError(
        f"A request to model {request.model!r} is not among its batch's results.",
        kind=ErrorKind.MALFORMED,
        may_be_billed=True,
    )

"""One request to one model within a call, as it is recorded: what was sent, what came back, what it cost.

What the provider counted is charged, also on a failure. Where it counted nothing and may have worked all the
same (no counts in the response, a time-out, a broken connection), the estimate is charged: never nothing.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Literal

from roadworthy.budgets.store import Outcome
from roadworthy.calls.admission import Admission
from roadworthy.errors import InvalidAnswer, ProviderError
from roadworthy.models import (
    Processing,
    Request,
    RequestFailed,
    Response,
    Target,
    estimate,
    estimate_usage,
    prefix_saving,
    price,
)
from roadworthy.records import Clock, Json, Usage
from roadworthy.telemetry.failures import kind_of

Reason = Literal["first", "retry", "repair", "fallback", "escalate", "hedge", "degrade"]
"""Why the request was made: the first one, the same again, a correction, the next model after a failure or
after an unsure answer, a second model because the first is slow, or a cheaper route."""

_MOST_TOKENS = 1_000_000_000
"""A larger count cannot be true; no model reads or writes a thousandth of it."""


class AttemptStatus(StrEnum):
    """How a request ended."""

    RUNNING = "running"
    """Under way; never stored."""
    SUCCEEDED = "succeeded"
    """With a valid answer."""
    INVALID = "invalid"
    """With an answer that did not pass its checks."""
    FAILED = "failed"
    """Without an answer."""
    CANCELLED = "cancelled"
    """Left by us, because the run was stopped, its time was up, or another model was faster."""
    LOST = "lost"
    """The process died while it was under way; what it may have cost counts as spent."""


@dataclass(slots=True)
class Attempt:
    """A request under way, then with its end."""

    number: int
    """Counted from 1 within the call."""
    reason: Reason
    target: Target
    request: Request
    clock: Clock
    started_at: int = 0
    finished_at: int | None = None
    duration_seconds: float = 0.0
    status: AttemptStatus = AttemptStatus.RUNNING
    response: Response | None = None
    error: BaseException | None = None
    usage: Usage = field(default_factory=Usage)
    cost_usd: Decimal = Decimal(0)
    cost_source: str = ""
    """`settings`, `genai-prices`, `free` or `unknown`, or one of them with `estimate of` before it.

    Empty when nothing is owed: the provider did not work for it.
    """
    saved_usd: Decimal = Decimal(0)
    """What the provider's prefix cache saved; in its batch, what the live price would have been more."""
    notes: list[str] = field(default_factory=list[str])
    """What was odd, for the record."""
    lane: str = "live"
    """`live` or `provider-batch`."""
    admission: Admission | None = None
    """What was set aside for it."""
    stored: bool = False
    """Whether its end is in the database."""
    outcome: Outcome | None = None
    """What settling it did to its accounts, to be reported once that is stored."""
    _began: float = 0.0

    def __post_init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Note the time: the request is sent now."""
        self.started_at, self._began = self.clock.now_ms(), self.clock.monotonic()

    @property
    def processing(self) -> Processing:
        """At which of its prices the provider bills it."""
        return "live" if self.lane == "live" else "batch"

    @property
    def seconds(self) -> float:
        """Time since it was sent."""
        return self.clock.monotonic() - self._began

    @property
    def cost_known(self) -> bool:
        """Whether `cost_usd` is what the provider charges, as far as its prices are right."""
        return self.cost_source != "unknown" and not self.cost_source.startswith("estimate")

    @property
    def error_kind(self) -> str | None:
        """The kind under which a failure is counted."""
        if self.status is AttemptStatus.CANCELLED:
            return "cancelled"
        return kind_of(self.error) if self.error is not None else None

    @property
    def http_status(self) -> int | None:
        """The status of a failure, where there was one."""
        return self.error.status if isinstance(self.error, ProviderError) else None

    @property
    def served_model(self) -> str:
        """The model as the provider named it; as it was asked for where the provider said nothing."""
        said = self.response or (self.error if isinstance(self.error, RequestFailed) else None)
        return (said.model if said is not None else "") or self.target.model

    @property
    def provider_request_id(self) -> str | None:
        """What to tell the provider's support."""
        if self.response is not None:
            return self.response.provider_request_id
        return self.error.provider_request_id if isinstance(self.error, RequestFailed) else None

    @property
    def sent(self) -> Json:
        """The body that went out; the messages as rendered where the provider does not say."""
        if self.response is not None:
            return self.response.sent
        if isinstance(self.error, RequestFailed) and self.error.sent is not None:
            return self.error.sent
        return {"messages": [{"role": one.role, "content": one.text} for one in self.request.messages]}

    @property
    def received(self) -> Json:
        """The body that came back; None when nothing did."""
        if self.response is not None:
            return self.response.received
        if isinstance(self.error, RequestFailed) and self.error.received is not None:
            return self.error.received
        if isinstance(self.error, ProviderError) and self.error.provider_text:
            return {"text": self.error.provider_text}
        return None

    def answered(self, response: Response) -> None:
        """Note the response and its price, whatever its checks will say."""
        self.response = response
        self.notes += response.notes
        if response.finish_reason == "unknown":
            self.notes.append("the provider did not say why it stopped: the answer may be cut short")
        if response.usage_reported:
            self._charge(response.usage, response.model)
        else:
            self._charge_estimate()

    def succeeded(self) -> None:
        """Note that the answer is valid."""
        self._end(AttemptStatus.SUCCEEDED)

    def failed(self, error: Exception) -> None:
        """Note what went wrong. An invalid answer was paid for all the same."""
        self.error = error
        self._end(AttemptStatus.INVALID if isinstance(error, InvalidAnswer) else AttemptStatus.FAILED)
        if self.response is not None:
            return
        if isinstance(error, RequestFailed) and error.usage is not None:
            self._charge(error.usage, error.model)
        elif not isinstance(error, ProviderError) or error.may_be_billed:
            self._charge_estimate()

    def cancelled(self) -> None:
        """Note that we did not wait for the end; the provider may have worked all the same."""
        self._end(AttemptStatus.CANCELLED)
        if self.response is None:
            self._charge_estimate()

    def _end(self, status: AttemptStatus) -> None:
        self.status = status
        self.finished_at = self.clock.now_ms()
        self.duration_seconds = self.clock.monotonic() - self._began

    def _charge(self, usage: Usage, served_model: str) -> None:
        most = max(usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.cache_write_tokens)
        if most > _MOST_TOKENS:
            self.notes.append(
                f"the provider counted {most:.3g} tokens, which cannot be true; estimated instead"
            )
            self._charge_estimate()
            return
        found = price(
            self.target, usage, self.started_at, served_model=served_model, processing=self.processing
        )
        self.usage, self.cost_usd, self.cost_source = usage, found.cost_usd or Decimal(0), found.source
        if self.processing == "batch":
            live = price(self.target, usage, self.started_at, served_model=served_model)
            self.saved_usd = (live.cost_usd or Decimal(0)) - self.cost_usd
        elif usage.cache_read_tokens or usage.cache_write_tokens:
            self.saved_usd = prefix_saving(self.target, usage, self.started_at, served_model=served_model)

    def _charge_estimate(self) -> None:
        found = estimate(self.target, self.request, self.started_at, processing=self.processing)
        if found.source == "free":
            self.cost_source = "free"
            return
        self.usage = estimate_usage(self.target, self.request)
        self.cost_usd = found.cost_usd or Decimal(0)
        self.cost_source = "unknown" if found.cost_usd is None else f"estimate of {found.source}"

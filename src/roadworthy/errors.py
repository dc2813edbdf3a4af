"""Every error that Roadworthy raises, in families by who has to act.

    RoadworthyError
    ├── UserError                 the caller: this input, this id, this command
    │   ├── InvalidInput          a value that does not fit its declared type or limits
    │   └── NotFound              a workflow, prompt, run or model of that name does not exist
    ├── ConfigurationError        the project's author: settings, prompts, code
    │   ├── SettingsError         roadworthy.toml, an overlay or the environment; carries every fault
    │   ├── PromptError           a prompt file does not parse, or a registered version was changed
    │   ├── RenderError           a prompt's inputs do not fit what it declares
    │   └── SchemaError           the database's schema is older or newer than this program
    ├── ProviderError             the model's provider, or the way to it; `kind` says what happened
    ├── TransportError            something else outside could not be reached; raise it from a step
    ├── InvalidAnswer             the model answered, but no answer passed its checks
    ├── StepFailed                a step gave up after its attempts; carries the cause as values
    ├── NeedsPerson               no model answered, and a person was asked instead
    ├── Rejected                  the decision was no; uncaught, it ends the run as rejected
    ├── TryLater                  no model can answer now; ask again after `retry_after_seconds`
    ├── LimitError                a limit that was set on purpose
    │   ├── StepTimeout           one attempt of a step ran over its time
    │   ├── RunTimeout            the run's deadline passed
    │   ├── BudgetSpent           a budget has no room for the request; nothing was sent
    │   ├── Throttled             a user, tenant or workflow asks too often
    │   └── NotPermitted          no model of the route may see data of this kind
    ├── AccessError               who asks, or what they may do
    │   ├── Unauthenticated       no valid key or session; nobody knows who asks
    │   ├── Forbidden             it is known who asks, and they may not do this
    │   └── TooManySignIns        signing in was tried too often from there, or for this person
    ├── ConflictError             two requests that exclude each other
    │   ├── IdempotencyConflict   the same key with another input
    │   ├── InputsDiffer          a version that does not take what code passes is to serve
    │   ├── NotEvaluated          a version without a passing evaluation is to serve
    │   └── StateConflict         the run is not in a state that allows this
    ├── DatabaseError             the database: unreachable, full, locked; nothing was half written
    └── Bug                       Roadworthy itself, or a workflow that is not deterministic
        └── OrderError            a workflow begins its steps in an order that cannot be replayed
            └── OrderChanged      a run's record holds another step where the code is now

A message says what failed, which one, and what to do. It never contains a secret or a provider's own text.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from typing import Any, ClassVar


class RoadworthyError(Exception):
    """Base of every error raised on purpose. `hint` says what to do next."""

    code: ClassVar[str] = "error"
    """A stable, machine-readable name of the kind of error."""

    def __init__(self, message: str, *, hint: str = "", details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details: dict[str, Any] = dict(details or {})

    def __str__(self) -> str:
        return f"{self.message} {self.hint}" if self.hint else self.message


class UserError(RoadworthyError):
    """The caller asked for something that cannot be done as asked."""

    code = "user_error"


class InvalidInput(UserError):
    """A value does not fit its declared type or limits; `details["faults"]` lists where."""

    code = "invalid_input"


class NotFound(UserError):
    """Nothing of that name exists."""

    code = "not_found"


class ConfigurationError(RoadworthyError):
    """The project's settings, prompts or code need a change."""

    code = "configuration_error"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong in a file of the project."""

    message: str
    """What is wrong and what to write instead."""
    file: str = ""
    """The file as the user would name it; empty when the value came from the environment."""
    line: int = 0
    """Counted from 1; 0 when unknown."""
    key: str = ""
    """The dotted key, for example `models.sonnet.region`."""

    def __str__(self) -> str:
        place = (
            f"{self.file}:{self.line}: " if self.file and self.line else f"{self.file}: " if self.file else ""
        )
        return f"{place}{self.message}"


class SettingsError(ConfigurationError):
    """The settings are not usable. All faults are found in one go."""

    code = "settings_error"

    def __init__(self, faults: Iterable[Fault], *, hint: str = "") -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults), hint=hint)


class PromptError(ConfigurationError):
    """A prompt file does not parse, or a registered version was changed."""

    code = "prompt_error"


class RenderError(ConfigurationError):
    """A prompt was called with inputs that do not fit what its file declares."""

    code = "render_error"


class SchemaError(ConfigurationError):
    """The database's schema does not belong to this version of the program."""

    code = "schema_error"


class ErrorKind(StrEnum):
    """What happened to a request to a provider; retry rules go by it."""

    RATE_LIMIT = "rate_limit"
    """Too many requests; try the same model again, after `retry_after_seconds` where given."""
    UNAVAILABLE = "unavailable"
    """Overloaded or down (503, 529); try again."""
    SERVER = "server"
    """The provider failed (other 5xx); try again."""
    CONNECTION = "connection"
    """The connection could not be made or broke; try again."""
    TIMEOUT = "timeout"
    """No answer in time; try again. It may have been billed."""
    MALFORMED = "malformed"
    """The response was not what the protocol says (HTML, empty, cut short); try again."""
    QUOTA = "quota"
    """The account's money or quota is spent; take the next model."""
    CONTEXT_WINDOW = "context_window"
    """The request is longer than the model reads; take the next model."""
    REFUSED = "refused"
    """The provider's own filter declined; take the next model."""
    AUTHENTICATION = "authentication"
    """The key is missing, wrong or may not do this; take the next model and tell the operator."""
    MODEL_NOT_FOUND = "model_not_found"
    """The provider does not, or no longer, serve this model; take the next one."""
    BAD_REQUEST = "bad_request"
    """The provider rejected the request as it stands; take the next model."""
    NOT_CONFIGURED = "not_configured"
    """A key, file or package that this model needs is missing here; take the next model."""
    CIRCUIT_OPEN = "circuit_open"
    """The model failed too often and is left alone for a while; nothing was sent. Take the next model."""
    RATE_LIMITED_HERE = "rate_limited_here"
    """A rate or number of requests that was set here is used up; nothing was sent. Take the next model."""
    OVER_BUDGET = "over_budget"
    """A budget has no room for the worst that the request may cost; nothing was sent. Take the next model."""
    NOT_ALLOWED = "not_allowed"
    """Data of this kind may not go to this model's region; nothing was sent. Take the next model."""

    @property
    def retryable(self) -> bool:
        """Whether the same request to the same model may succeed later."""
        return self in _RETRYABLE


_RETRYABLE = frozenset(
    {
        ErrorKind.RATE_LIMIT,
        ErrorKind.UNAVAILABLE,
        ErrorKind.SERVER,
        ErrorKind.CONNECTION,
        ErrorKind.TIMEOUT,
        ErrorKind.MALFORMED,
    }
)


class ProviderError(RoadworthyError):
    """A request to a model failed. The message names model and kind, never the provider's own text."""

    code = "provider_error"

    def __init__(
        self,
        message: str,
        *,
        kind: ErrorKind,
        hint: str = "",
        status: int | None = None,
        retry_after_seconds: float | None = None,
        may_be_billed: bool = False,
        provider_text: str = "",
    ) -> None:
        super().__init__(message, hint=hint)
        self.kind = kind
        self.status = status
        """The HTTP status, where there was one."""
        self.retry_after_seconds = retry_after_seconds
        self.may_be_billed = may_be_billed
        """True when the provider may have worked for this request: settle the estimate."""
        self.provider_text = provider_text
        """What the provider said, for the record of the attempt only."""


class TransportError(RoadworthyError):
    """Something outside (not a model) could not be reached. Raise it from a step to have the step retried."""

    code = "transport_error"


class InvalidAnswer(RoadworthyError):
    """The model answered, but neither the answer nor its repairs passed validation."""

    code = "invalid_answer"


class NeedsPerson(RoadworthyError):
    """No model answered; a person was asked, whose answer comes later."""

    code = "needs_person"

    def __init__(self, message: str, *, review_id: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.review_id = review_id


class Rejected(RoadworthyError):
    """A rule or a person decided against an answer. A workflow that does not catch it ends as rejected."""

    code = "rejected"

    def __init__(self, message: str, *, decision_id: str | None = None, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.decision_id = decision_id
        """The decision on record; None where the rejection is known only in words (a child run's)."""


class TryLater(RoadworthyError):
    """No model can answer now. The same call may succeed after `retry_after_seconds`."""

    code = "try_later"

    def __init__(self, message: str, *, retry_after_seconds: float, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.retry_after_seconds = retry_after_seconds


class StepFailed(RoadworthyError):
    """A step gave up. The cause is kept as values, so it reads the same live and after a restart."""

    code = "step_failed"

    def __init__(self, message: str, *, step: str, kind: str, attempts: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.step = step
        self.kind = kind
        """The error's kind: an `ErrorKind`, a `code` of this module, or the name of a class."""
        self.attempts = attempts


class LimitError(RoadworthyError):
    """A limit that somebody set on purpose was reached."""

    code = "limit_reached"


class StepTimeout(LimitError):
    """One attempt of a step ran longer than its `timeout_seconds`."""

    code = "step_timeout"


class RunTimeout(LimitError):
    """The run's own deadline passed."""

    code = "run_timeout"


class BudgetSpent(LimitError):
    """A budget has no room for what the request may cost at most. Nothing was sent, nothing is owed."""

    code = "budget_spent"

    def __init__(self, message: str, *, budget: str, resets_at_ms: int | None = None, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.budget = budget
        """The budget's name in the settings."""
        self.resets_at_ms = resets_at_ms
        """When its window ends; None when it does not."""


class Throttled(LimitError):
    """A user, tenant or workflow asks more often than its throttle lets it."""

    code = "throttled"

    def __init__(self, message: str, *, retry_after_seconds: float, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.retry_after_seconds = retry_after_seconds


class NotPermitted(LimitError):
    """Data of this kind may not go to any model of the route. Nothing was sent."""

    code = "not_permitted"


class AccessError(RoadworthyError):
    """Who asks may not be known, or may not do this."""

    code = "access_error"


class Unauthenticated(AccessError):
    """No valid key or session. The message does not say which of the reasons it was."""

    code = "unauthenticated"


class Forbidden(AccessError):
    """It is known who asks, and they may not do this."""

    code = "forbidden"


class TooManySignIns(AccessError):
    """Signing in was tried too often; the right secret is refused as well until then."""

    code = "too_many_sign_ins"

    def __init__(self, message: str, *, retry_after_seconds: float, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.retry_after_seconds = retry_after_seconds


class ConflictError(RoadworthyError):
    """Two requests exclude each other; the first one stands."""

    code = "conflict"


class IdempotencyConflict(ConflictError):
    """The key was used before with another input."""

    code = "idempotency_conflict"


class InputsDiffer(ConflictError):
    """A version may not serve yet: calls that fit the one that serves may not fit it."""

    code = "inputs_differ"


class NotEvaluated(ConflictError):
    """A version may not serve yet: no evaluation of exactly this combination passed."""

    code = "not_evaluated"


class StateConflict(ConflictError):
    """The run is not in a state in which this can be done."""

    code = "state_conflict"


class DatabaseError(RoadworthyError):
    """The database cannot be reached or cannot store. Nothing was half written."""

    code = "database_error"


class Bug(RoadworthyError):
    """This should not happen: Roadworthy is wrong, or a workflow is not deterministic."""

    code = "bug"


class OrderError(Bug):
    """A workflow begins its steps in an order that cannot be replayed; its code has to change."""

    code = "order_error"


class OrderChanged(OrderError):
    """A run's record holds another step where the code is now; nothing was done."""

    code = "order_changed"


_MOST_LISTED = 12


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a message: the nearest known name, or all of them when few; empty when there are none."""
    names = sorted(known)
    close = get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"Did you mean {close[0]!r}?"
    if names and len(names) <= _MOST_LISTED:
        return f"Known: {', '.join(names)}."
    return ""

"""When a step is tried again, and after how long."""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from roadworthy.errors import (
    ConfigurationError,
    ConflictError,
    ErrorKind,
    LimitError,
    ProviderError,
    Rejected,
    RoadworthyError,
    RunTimeout,
    StepTimeout,
    TransportError,
    UserError,
)

ErrorClasses = type[BaseException] | tuple[type[BaseException], ...]

_FINAL = (ConfigurationError, ConflictError, RunTimeout, UserError)
"""Trying again cannot help: somebody has to change something first."""


@dataclass(frozen=True, slots=True)
class Retry:
    """A step's policy. Before attempt n+1 it waits initial · factor^(n-1) seconds, at most `max_seconds`."""

    attempts: int = 3
    """How often the step is tried in all; 1 means no retry."""
    on: ErrorClasses = Exception
    """Only these errors are retried."""
    never: ErrorClasses = ()
    """These are not retried even where `on` matches."""
    initial_seconds: float = 0.5
    factor: float = 2.0
    max_seconds: float = 60.0
    jitter: float = 0.2
    """Share of the pause by which it is varied at random, 0 to 1."""
    honour_retry_after: bool = True
    """Wait at least as long as the error's `retry_after_seconds` says."""

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ConfigurationError(
                f"Retry(attempts={self.attempts}) is not possible.", hint="Use 1 for no retry."
            )
        if not 0 <= self.jitter <= 1 or self.initial_seconds < 0 or self.factor < 1 or self.max_seconds < 0:
            raise ConfigurationError(
                "Retry needs seconds of at least 0, a factor of at least 1, and a jitter of 0 to 1."
            )

    def again(self, error: BaseException, attempt: int) -> bool:
        """Whether to try again after `error` in attempt number `attempt` (from 1)."""
        if attempt >= self.attempts or isinstance(error, self.never):
            return False
        if isinstance(error, Rejected):  # the same decision would be asked again
            return False
        if isinstance(error, ProviderError):
            return error.kind.retryable and isinstance(error, self.on)
        named = isinstance(self.on, tuple) or self.on is not Exception
        if isinstance(error, _FINAL) and not named:
            return False
        return isinstance(error, self.on) or (
            isinstance(error, StepTimeout) and named and _means_time(self.on)
        )

    def pause_seconds(
        self, attempt: int, error: BaseException, uniform: Callable[[float, float], float] = random.uniform
    ) -> float:
        """How long to wait after attempt number `attempt` failed."""
        pause = min(self.initial_seconds * self.factor ** (attempt - 1), self.max_seconds)
        pause *= uniform(1 - self.jitter, 1 + self.jitter)
        asked = getattr(error, "retry_after_seconds", None)
        if self.honour_retry_after and isinstance(asked, int | float):
            pause = max(pause, float(asked))
        return pause


NO_RETRY = Retry(attempts=1)


def _means_time(classes: ErrorClasses) -> bool:
    every: Iterable[type[BaseException]] = classes if isinstance(classes, tuple) else (classes,)
    return any(issubclass(one, TimeoutError | TransportError | LimitError) for one in every)


def message_of(error: BaseException) -> str:
    """What to record of an error: our own message and hint, or class and text of a foreign one."""
    return str(error) if isinstance(error, RoadworthyError) else f"{type(error).__name__}: {error}"


def kind_of(error: BaseException) -> str:
    """The kind under which a failure is counted: an `ErrorKind`, one of our codes, or a class's name."""
    if isinstance(error, ProviderError):
        return str(ErrorKind(error.kind))
    if isinstance(error, RoadworthyError):
        return error.code
    return type(error).__name__

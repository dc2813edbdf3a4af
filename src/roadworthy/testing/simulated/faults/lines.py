"""A connection that fails, and answers that take their time."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from roadworthy.testing.simulated.faults.fault import Fault
from roadworthy.testing.simulated.reply import Reply


class TransportFault(Fault):
    """The connection itself fails."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Hang(TransportFault):
    """Nothing comes back until the client gives up, or for `seconds`; then the connection is closed."""

    billed: ClassVar[bool] = True
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class ResetConnection(TransportFault):
    """A reset, before the first byte or in the middle of the body; only the latter is billed."""

    when: Literal["before", "during"] = "before"


@dataclass(frozen=True, slots=True)
class CutStream(TransportFault):
    """A stream that ends, in good order or by a reset, before it said that it was complete.

    A request that is no stream gets half of its body.
    """

    billed: ClassVar[bool] = True
    after_events: int = 3
    reset: bool = False


@dataclass(frozen=True, slots=True)
class Slow(Fault):
    """Waits, then gives `then`; without it, the answer that was due."""

    billed: ClassVar[bool] = True
    seconds: float
    then: "Reply | Fault | None" = None

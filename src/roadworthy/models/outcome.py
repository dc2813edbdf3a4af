"""What the end of a request says about the model that it was sent to: `Outcome`."""

from enum import Enum

from roadworthy.errors import ErrorKind, InvalidAnswer, ProviderError
from roadworthy.models.fair import NoFreeSlot

_FAILURES = frozenset(
    {
        ErrorKind.UNAVAILABLE,
        ErrorKind.SERVER,
        ErrorKind.CONNECTION,
        ErrorKind.TIMEOUT,
        ErrorKind.MALFORMED,
    }
)
_HOPELESS = frozenset(
    {ErrorKind.AUTHENTICATION, ErrorKind.QUOTA, ErrorKind.MODEL_NOT_FOUND, ErrorKind.NOT_CONFIGURED}
)
_ANSWERS = frozenset({ErrorKind.BAD_REQUEST, ErrorKind.CONTEXT_WINDOW, ErrorKind.REFUSED})


class Outcome(Enum):
    """What a request says about its model."""

    WELL = "well"
    """It answered, be it to refuse."""
    FAILED = "failed"
    """It did not, and may the next time."""
    HOPELESS = "hopeless"
    """It will not until somebody changes something: key, account, name."""
    NOTHING = "nothing"
    """We left, it is rate limited (which pacing handles), or the request was never sent."""

    @staticmethod
    def of(error: BaseException) -> "Outcome":
        """What a request that ended with this error says."""
        if isinstance(error, InvalidAnswer):
            return Outcome.WELL
        if not isinstance(error, ProviderError) or isinstance(error, NoFreeSlot):
            return Outcome.NOTHING
        if error.kind in _FAILURES:
            return Outcome.FAILED
        if error.kind in _HOPELESS:
            return Outcome.HOPELESS
        return Outcome.WELL if error.kind in _ANSWERS else Outcome.NOTHING

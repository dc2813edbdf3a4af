"""Days and months by the wall clock of a time zone, as the windows in which money and tokens are counted."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time in which spending is added up."""

    name: str
    """`2026-11-21` or `2026-11`; the same for every process, wherever it runs."""
    starts_at_ms: int
    """The first moment of it."""
    ends_at_ms: int
    """The first moment after it."""


class Calendar:
    """The windows of one time zone. The newest day and month are kept until they end."""

    def __init__(self, timezone: str) -> None:
        self._zone: tzinfo = UTC if timezone == "UTC" else ZoneInfo(timezone)
        self._day = self._month = Window("", 0, 0)

    def day(self, at_ms: int) -> Window:
        """The calendar day of a moment: 23, 24 or 25 hours, as the clocks are changed."""
        known = self._day
        if known.starts_at_ms <= at_ms < known.ends_at_ms:
            return known
        first = self._date(at_ms)
        known = self._day = self._window(first.isoformat(), first, first + timedelta(days=1))
        return known

    def month(self, at_ms: int) -> Window:
        """The calendar month of a moment."""
        known = self._month
        if known.starts_at_ms <= at_ms < known.ends_at_ms:
            return known
        first = self._date(at_ms).replace(day=1)
        following = (first + timedelta(days=31)).replace(day=1)
        known = self._month = self._window(first.isoformat()[:7], first, following)
        return known

    def _date(self, at_ms: int) -> date:
        return datetime.fromtimestamp(at_ms / 1000, self._zone).date()

    def _window(self, name: str, first: date, following: date) -> Window:
        return Window(name, self._midnight_ms(first), self._midnight_ms(following))

    def _midnight_ms(self, day: date) -> int:
        """Where the clocks skip midnight, it is the moment at which they are changed."""
        return int(datetime(day.year, day.month, day.day, tzinfo=self._zone).timestamp() * 1000)

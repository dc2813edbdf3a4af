"""What is assumed of a month: which share is routed, cached, batched, at which prices; and its arithmetic."""

from dataclasses import dataclass
from decimal import Decimal

from roadworthy.models.token_rates import Processing, TokenRates, token_rates
from roadworthy.records import SystemClock, Usage
from roadworthy.settings import ModelSettings

PAIR = ("gpt-5-2025-08-07", "gpt-5-nano-2025-08-07")
"""A flagship and a small model of OpenAI: these are asked."""
OTHER_PAIRS = (
    ("openai", "gpt-5.4-2026-03-05", "gpt-5.4-nano-2026-03-17"),
    ("openai", "gpt-4.1-2025-04-14", "gpt-4.1-nano-2025-04-14"),
    ("openai", "gpt-5-2025-08-07", "gpt-5-mini-2025-08-07"),
    ("openai", "gpt-5.4-2026-03-05", "gpt-5.4-mini-2026-03-17"),
    ("anthropic", "claude-opus-4-5-20251101", "claude-haiku-4-5-20251001"),
)
"""What the same month comes to with these is worked out, not asked."""
FRESH, OUTPUT = 500, 250


@dataclass(frozen=True)
class Month:
    """Shares in percent of all calls."""

    name: str
    prefix: int
    """Tokens that are the same in every call."""
    hits: int = 0
    routed: int = 0
    batched: int = 0


@dataclass(frozen=True)
class Ticket:
    """One call of the sample."""

    easy: bool
    waits: bool
    usage: Usage
    """What the provider will count."""


def sample(month: Month, count: int) -> list[Ticket]:
    """Exactly the shares of the month, also within each other, as far as so many calls allow."""
    seen: dict[tuple[bool, ...], int] = {}

    def turn(percent: int, *group: bool) -> bool:
        number = seen[group] = seen.get(group, 0) + 1
        return (number * percent + 50) // 100 > ((number - 1) * percent + 50) // 100

    tickets: list[Ticket] = []
    for _ in range(count):
        easy = turn(month.routed)
        waits = turn(month.batched, easy)
        read = month.prefix if turn(month.hits, easy, waits) else 0
        tickets.append(Ticket(easy, waits, Usage(month.prefix + FRESH, OUTPUT, cache_read_tokens=read)))
    return tickets


@dataclass(frozen=True)
class Listed:
    """A model on the public price list."""

    provider: str
    model: str

    @property
    def settings(self) -> ModelSettings:
        return ModelSettings(provider=self.provider, model=self.model)

    def rates(self, processing: Processing) -> TokenRates:
        """Its prices now. Raises `SystemExit` where the list does not know them."""
        found = token_rates(self, 0, SystemClock().now_ms(), processing=processing)
        if found is None or found.source != "genai-prices" or found.read == found.fresh:
            raise SystemExit(f"The price list does not know what {self.model} costs ({processing}).")
        return found


def worked_out(month: Month, provider: str, flagship: str, small: str) -> Decimal:
    """What a call costs in the mean by the price list alone, in US dollars."""
    total = Decimal(0)
    for name, of_name in ((flagship, 100 - month.routed), (small, month.routed)):
        for lane, of_lane in (("live", 100 - month.batched), ("batch", month.batched)):
            rates = Listed(provider, name).rates(lane)
            for hit, of_hits in ((True, month.hits), (False, 100 - month.hits)):
                usage = Usage(
                    month.prefix + FRESH,
                    OUTPUT,
                    cache_read_tokens=month.prefix if hit else 0,
                    cache_write_tokens=0 if hit or not month.hits else month.prefix,
                )
                total += rates.cost_usd(usage) * of_name * of_lane * of_hits / 1_000_000
    return total

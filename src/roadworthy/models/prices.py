"""What a request cost, from token counts and the prices that held at its time.

Order: prices in `roadworthy.toml`; then genai-prices (the table in the installed package; nothing is
fetched); then `unknown`, which is never the same as free. Free is only what runs on the user's own machine:
the `local`, `python`, `simulated` and `ollama` providers, unless the settings give a price.

Token counts follow `records.Usage`: `input_tokens` contains the cached ones, so these are taken out before
the input price applies. The prices of one token come from `token_rates.py`, and how many tokens a request
may need from `tokens.py`.
"""

from dataclasses import dataclass
from decimal import Decimal

from roadworthy.models.provider import Request
from roadworthy.models.token_rates import MILLION, Priced, Processing, is_local, token_rates
from roadworthy.models.tokens import estimate_usage, likely_tokens
from roadworthy.records import Usage

__all__ = [
    "FREE",
    "UNKNOWN",
    "Price",
    "Priced",
    "Processing",
    "estimate",
    "estimate_usage",
    "likely_tokens",
    "prefix_saving",
    "price",
]


@dataclass(frozen=True, slots=True)
class Price:
    """What something cost."""

    cost_usd: Decimal | None
    """Exact; None when the price is not known."""
    source: str
    """Where the price came from: `settings`, `genai-prices`, `free` or `unknown`.

    With `, no batch price known` behind it, a batch was priced as if it had been live.
    """


UNKNOWN = Price(None, "unknown")
FREE = Price(Decimal(0), "free")


def price(
    target: Priced, usage: Usage, at_ms: int, *, served_model: str = "", processing: Processing = "live"
) -> Price:
    """The price of these tokens at that time.

    Args:
        target: The model that was asked.
        usage: What was counted. When nothing was (`usage_reported` is false), use `estimate`.
        at_ms: When the request was made; prices change with time.
        served_model: The model that the provider says answered: what is billed, if its price is known.
        processing: `batch` for what went through the provider's batch. Where its price is not known, the
            live one is taken, and `source` says so.
    """
    if _is_free(target):
        return FREE
    rates = token_rates(target, usage.input_tokens, at_ms, served_model, processing)
    return UNKNOWN if rates is None else Price(rates.cost_usd(usage), rates.source)


def estimate(
    target: Priced,
    request: Request,
    at_ms: int,
    *,
    processing: Processing = "live",
    usage: Usage | None = None,
) -> Price:
    """The most that a request may cost: for a reservation, or if it failed and may have been billed.

    Writing into the provider's prefix cache costs more than reading, so every token may be one written.
    `usage` is what `estimate_usage` said of it, where that is known already.
    """
    if _is_free(target):
        return FREE
    usage = usage or estimate_usage(target, request)
    rates = token_rates(target, usage.input_tokens, at_ms, processing=processing)
    if rates is None:
        return UNKNOWN
    per_input = max(rates.fresh, rates.read, rates.write)
    cost_usd = (usage.input_tokens * per_input + usage.output_tokens * rates.output) / MILLION
    return Price(cost_usd, rates.source)


def prefix_saving(
    target: Priced, usage: Usage, at_ms: int, *, served_model: str = "", processing: Processing = "live"
) -> Decimal:
    """What the provider's prefix cache saved on a request, in US dollars.

    That is what the tokens read from it would have cost more as input, less what writing into it cost more.
    Negative where more was written than read; 0 where the price is not known.
    """
    if not (usage.cache_read_tokens or usage.cache_write_tokens) or _is_free(target):
        return Decimal(0)
    rates = token_rates(target, usage.input_tokens, at_ms, served_model, processing)
    if rates is None:
        return Decimal(0)
    saved = usage.cache_read_tokens * (rates.fresh - rates.read)
    return (saved - usage.cache_write_tokens * (rates.write - rates.fresh)) / MILLION


def _is_free(target: Priced) -> bool:
    return target.settings.prices is None and is_local(target)

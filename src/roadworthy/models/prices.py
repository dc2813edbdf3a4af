"""What a request cost, from token counts and the prices that held at its time.

Order: prices in `roadworthy.toml`; then genai-prices (the table in the installed package; nothing is
fetched); then `unknown`, which is never the same as free. Free is only what runs on the user's own machine:
the `local`, `python`, `simulated` and `ollama` providers, unless the settings give a price.

Token counts follow `records.Usage`: `input_tokens` contains the cached ones, so these are taken out before
the input price applies. A cache price that is not given falls back to the input price: never too cheap.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, Protocol

from roadworthy.models.provider import DEFAULT_MAX_TOKENS, Request
from roadworthy.records import Usage
from roadworthy.settings import ModelSettings, PriceSettings

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice

_MILLION = Decimal(1_000_000)

_FREE = frozenset({"local", "python", "simulated"})
"""Providers that run in this process or exist for tests."""

_TABLE_IDS = {
    "anthropic": "anthropic",
    "openai": "openai",
    "azure-openai": "azure",
    "google": "google",
    "google-vertex": "google",
    "bedrock": "aws",
}
"""Our providers by their name in genai-prices. Others are looked up by their address."""

_BYTES_PER_TOKEN = 2
"""Few texts have less: English has about 4 bytes for each token, Chinese about 2 to 3."""
_TOKENS_PER_MESSAGE = 16
"""For roles and separators; measured formats need 3 to 8."""


class Priced(Protocol):
    """A model in use, as far as its price goes. `Target` is one."""

    @property
    def provider(self) -> str:
        """The provider's name in the settings."""
        ...

    @property
    def model(self) -> str:
        """The model's name on the wire."""
        ...

    @property
    def settings(self) -> ModelSettings:
        """The model's settings."""
        ...


@dataclass(frozen=True, slots=True)
class Price:
    """What something cost."""

    cost_usd: Decimal | None
    """Exact; None when the price is not known."""
    source: Literal["settings", "genai-prices", "free", "unknown"]
    """Where the price came from."""


UNKNOWN = Price(None, "unknown")
FREE = Price(Decimal(0), "free")


def price(target: Priced, usage: Usage, at_ms: int, *, served_model: str = "") -> Price:
    """The price of these tokens at that time.

    Args:
        target: The model that was asked.
        usage: What was counted. When nothing was (`usage_reported` is false), use `estimate`.
        at_ms: When the request was made; prices change with time.
        served_model: The model that the provider says answered: what is billed, if its price is known.
    """
    if target.settings.prices is not None:
        return Price(_from_settings(target.settings.prices, usage), "settings")
    if target.provider in _FREE or (target.provider == "ollama" and not _ollama_cloud(target)):
        return FREE
    info = _find(target, served_model) if served_model else None
    info = info or _find(target, target.model)
    prices = info.get_prices(datetime.fromtimestamp(at_ms / 1000, UTC)) if info else None
    if prices is None or (prices.input_mtok is None and prices.output_mtok is None):
        return UNKNOWN
    return Price(_from_table(prices, usage), "genai-prices")


def estimate(target: Priced, request: Request, at_ms: int) -> Price:
    """The most that a request may cost: for a reservation, or if it failed and may have been billed."""
    return price(target, estimate_usage(target, request), at_ms)


def estimate_usage(target: Priced, request: Request) -> Usage:
    """The most tokens that a request may need: by the bytes of its text, and all the output it allows."""
    size = sum(len(message.text.encode(errors="replace")) for message in request.messages)
    if request.output_schema is not None:
        size += len(str(request.output_schema))
    tokens = -(-size // _BYTES_PER_TOKEN) + _TOKENS_PER_MESSAGE * (len(request.messages) + 1)
    return Usage(
        input_tokens=tokens,
        output_tokens=request.max_tokens or target.settings.max_tokens or DEFAULT_MAX_TOKENS,
    )


def _from_settings(prices: PriceSettings, usage: Usage) -> Decimal:
    per_input = prices.input_usd_per_million
    read, write = prices.cache_read_usd_per_million, prices.cache_write_usd_per_million
    return _sum(
        usage,
        per_input,
        prices.output_usd_per_million,
        per_input if read is None else read,
        per_input if write is None else write,
    )


def _sum(
    usage: Usage, per_input: Decimal, per_output: Decimal, per_read: Decimal, per_write: Decimal
) -> Decimal:
    """Prices are dollars for a million tokens."""
    fresh = max(0, usage.input_tokens - usage.cache_read_tokens - usage.cache_write_tokens)
    total = (
        fresh * per_input
        + usage.cache_read_tokens * per_read
        + usage.cache_write_tokens * per_write
        + usage.output_tokens * per_output
    )
    return total / _MILLION


def _from_table(prices: "ModelPrice", usage: Usage) -> Decimal:
    """The table's own sum, by the same rules: its `calc_price` takes 180 µs, this a tenth (2026-11)."""
    per_input = _rate(prices.input_mtok, usage.input_tokens)
    per_read = _rate(prices.cache_read_mtok, usage.input_tokens)
    per_write = _rate(prices.cache_write_mtok, usage.input_tokens)
    base = per_input or Decimal(0)
    return _sum(
        usage,
        base,
        _rate(prices.output_mtok, usage.input_tokens) or Decimal(0),
        base if per_read is None else per_read,
        base if per_write is None else per_write,
    )


def _rate(value: Any, input_tokens: int) -> Decimal | None:
    """A price, or the one of the highest tier that the input reaches: from there it holds for all tokens."""
    if value is None or isinstance(value, Decimal):
        return value
    rate: Decimal = value.base
    for tier in value.tiers:
        if input_tokens > tier.start:
            rate = tier.price
    return rate


def _find(target: Priced, model: str) -> "ModelInfo | None":
    """The table's entry. A model with an address of its own is what the address says, not its name."""
    from genai_prices.data_snapshot import get_snapshot  # 0.9 s of CPU to import

    table_id = _TABLE_IDS.get(target.provider)
    address = target.settings.base_url
    try:
        if address and target.provider not in ("azure-openai", "bedrock"):
            return get_snapshot().find_provider_model(model, None, None, address)[1]
        if table_id is None:
            return None
        return get_snapshot().find_provider_model(model, None, table_id, None)[1]
    except LookupError:
        return None


def _ollama_cloud(target: Priced) -> bool:
    """Whether the model runs at ollama.com rather than on the user's own machine."""
    return target.model.endswith("cloud") or "ollama.com" in (target.settings.base_url or "")

"""What a token costs at a provider at a time: from the settings, or from genai-prices.

The table is read from the installed package, which takes 0.9 s of CPU at first; nothing is fetched. A cache
price that is not given falls back to the input price: never too cheap.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, Protocol

from roadworthy.records import Usage
from roadworthy.settings import ModelSettings, PriceSettings

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice
    from genai_prices.types import Provider as TableProvider

Processing = Literal["live", "batch"]
"""Whether a request is answered at once, or with others in the provider's batch, which costs less."""

MILLION = Decimal(1_000_000)
"""Prices are for so many tokens."""
_ON_THIS_MACHINE = frozenset({"local", "python", "simulated"})
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
_BATCH = {"processing": "batch"}
"""What genai-prices calls the provider's batch."""


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
class TokenRates:
    """Dollars for a million tokens of each sort."""

    fresh: Decimal
    """Read, and neither from nor into the provider's prefix cache."""
    read: Decimal
    """Read from the prefix cache."""
    write: Decimal
    """Read and written into the prefix cache."""
    output: Decimal
    source: str
    """As `Price.source`."""

    def cost_usd(self, usage: Usage) -> Decimal:
        """What these tokens cost."""
        fresh = max(0, usage.input_tokens - usage.cache_read_tokens - usage.cache_write_tokens)
        total = (
            fresh * self.fresh
            + usage.cache_read_tokens * self.read
            + usage.cache_write_tokens * self.write
            + usage.output_tokens * self.output
        )
        return total / MILLION


def token_rates(
    target: Priced, input_tokens: int, at_ms: int, served_model: str = "", processing: Processing = "live"
) -> TokenRates | None:
    """The prices that hold for a request with so much input; None when they are not known."""
    if target.settings.prices is not None:
        return _of_settings(target.settings.prices, processing)
    found = _find(target, served_model) if served_model else None
    found = found or _find(target, target.model)
    if found is None:
        return None
    info, provider = found
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    in_batch = processing == "batch" and _has_batch_price(info, provider, at)
    prices = info.get_prices(at, _BATCH if in_batch else None)
    if prices.input_mtok is None and prices.output_mtok is None:
        return None
    source = _source("genai-prices", batch_known=in_batch, processing=processing)
    return _of_table(prices, input_tokens, source, for_an_hour=_writes_for_an_hour(target))


def find_entry(target: Priced, model: str) -> "ModelInfo | None":
    """The table's entry for a model of that name, served where `target` is."""
    found = _find(target, model)
    return None if found is None else found[0]


def is_local(target: Priced) -> bool:
    """Whether it runs on the user's own machine, or exists for tests only."""
    return target.provider in _ON_THIS_MACHINE or (target.provider == "ollama" and not _ollama_cloud(target))


def _of_settings(prices: PriceSettings, processing: Processing) -> TokenRates:
    factor = prices.batch_factor if processing == "batch" else None
    share = Decimal(1) if factor is None else factor
    per_input = prices.input_usd_per_million
    read, write = prices.cache_read_usd_per_million, prices.cache_write_usd_per_million
    return TokenRates(
        fresh=per_input * share,
        read=(per_input if read is None else read) * share,
        write=(per_input if write is None else write) * share,
        output=prices.output_usd_per_million * share,
        source=_source("settings", batch_known=factor is not None, processing=processing),
    )


def _of_table(prices: "ModelPrice", input_tokens: int, source: str, *, for_an_hour: bool) -> TokenRates:
    """The table's prices by its own rules: its `calc_price` takes 180 µs, ours a tenth (2026-11)."""
    per_input = _rate(prices.input_mtok, input_tokens) or Decimal(0)
    read = _rate(prices.cache_read_mtok, input_tokens)
    write = _rate(prices.cache_write_mtok, input_tokens)
    if for_an_hour:
        write = _rate(getattr(prices, "cache_write_1h_mtok", None), input_tokens) or write
    return TokenRates(
        fresh=per_input,
        read=per_input if read is None else read,
        write=per_input if write is None else write,
        output=_rate(prices.output_mtok, input_tokens) or Decimal(0),
        source=source,
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


def _has_batch_price(info: "ModelInfo", provider: "TableProvider", at: datetime) -> bool:
    """Whether the table knows what the provider's batch cost then; for most models from 2026-10-14 on.

    Where a provider has no entry of its own, another one's says what a request costs, not what a batch does.
    """
    return any(info is one for one in provider.models) and any(
        variant.when == _BATCH and (variant.constraint is None or variant.constraint.active(at))
        for variant in info.price_variants or ()
    )


def _source(name: str, *, batch_known: bool, processing: Processing) -> str:
    return name if processing == "live" or batch_known else f"{name}, no batch price known"


def _find(target: Priced, model: str) -> "tuple[ModelInfo, TableProvider] | None":
    """The table's entry, and the provider for which it was found.

    A model with an address of its own is what the address says, not its name.
    """
    from genai_prices.data_snapshot import get_snapshot  # 0.9 s of CPU to import

    table_id = _TABLE_IDS.get(target.provider)
    address = target.settings.base_url
    by_address = bool(address) and target.provider not in ("azure-openai", "bedrock")
    if not by_address and table_id is None:
        return None
    try:
        provider, info = get_snapshot().find_provider_model(
            model, None, None if by_address else table_id, address if by_address else None
        )
    except LookupError:
        return None
    return info, provider


def _writes_for_an_hour(target: Priced) -> bool:
    """Whether the options ask for the provider's longer prefix cache, which costs more to write."""
    return any("cache" in name and value == "1h" for name, value in target.settings.options.items())


def _ollama_cloud(target: Priced) -> bool:
    """Whether the model runs at ollama.com rather than on the user's own machine."""
    return target.model.endswith("cloud") or "ollama.com" in (target.settings.base_url or "")

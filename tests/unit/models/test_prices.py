"""What requests cost, against sums done by hand."""

from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from genai_prices import Usage as TableUsage
from genai_prices import calc_price
from hypothesis import given, settings
from hypothesis import strategies as st

from roadworthy.models import Message, Request, estimate, estimate_usage, prefix_saving, price
from roadworthy.models.prices import FREE, UNKNOWN
from roadworthy.records import Usage
from roadworthy.settings import ModelSettings

JANUARY = int(datetime(2026, 1, 15, tzinfo=UTC).timestamp() * 1000)
NOVEMBER = int(datetime(2026, 11, 15, tzinfo=UTC).timestamp() * 1000)
CUSTOM = {"input_usd_per_million": "2.50", "output_usd_per_million": "10"}


def model(provider: str, name: str = "", **fields: Any) -> Any:
    """A model as far as prices look at it."""
    section = ModelSettings.model_validate({"provider": provider, "model": name, **fields})
    return SimpleNamespace(provider=provider, model=name, settings=section)


def test_openai_cached_tokens_are_part_of_the_input():
    """Of 1,000 tokens read, 400 cached: 600 at the full price, 400 at the cached one, plus output."""
    asked = model("openai", "gpt-4o-mini-2024-07-18")

    got = price(asked, Usage(1000, 500, cache_read_tokens=400), JANUARY)

    # 600 x 0.15 + 400 x 0.075 + 500 x 0.60, for a million
    assert got.cost_usd == Decimal("0.00042")
    assert got.source == "genai-prices"


def test_anthropic_cache_reads_and_writes_have_prices_of_their_own():
    """Of 1,000 tokens read, 200 came from the cache and 100 went into it: four prices in one sum."""
    asked = model("anthropic", "claude-sonnet-4-5-20250929")

    got = price(asked, Usage(1000, 500, cache_read_tokens=200, cache_write_tokens=100), JANUARY)

    # 700 x 3 + 200 x 0.30 + 100 x 3.75 + 500 x 15, for a million
    assert got.cost_usd == Decimal("0.010035")


def test_a_long_input_pays_the_price_of_its_tier_for_all_tokens():
    """Above 200,000 tokens read, the higher tier holds for every token, output too."""
    asked = model("anthropic", "claude-sonnet-4-5-20250929")

    got = price(asked, Usage(200_001, 1000), JANUARY)

    # 200,001 x 6 + 1,000 x 22.50, for a million
    assert got.cost_usd == Decimal("1.222506")


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(
        [
            ("openai", "gpt-4o-2024-08-06", "openai"),
            ("anthropic", "claude-sonnet-4-5-20250929", "anthropic"),
            ("google", "gemini-2.5-pro", "google"),
            ("bedrock", "us.anthropic.claude-haiku-4-5-20251001-v1:0", "aws"),
        ]
    ),
    fresh=st.integers(0, 400_000),
    read=st.integers(0, 50_000),
    written=st.integers(0, 50_000),
    output=st.integers(0, 20_000),
)
def test_our_sum_is_the_sum_of_the_price_table(name, fresh, read, written, output):
    """For any counts the sum equals that of the library whose prices are used."""
    provider, wire_name, table_id = name
    total = fresh + read + written
    theirs = calc_price(
        TableUsage(
            input_tokens=total, output_tokens=output, cache_read_tokens=read, cache_write_tokens=written
        ),
        wire_name,
        provider_id=table_id,
        genai_request_timestamp=datetime.fromtimestamp(JANUARY / 1000, UTC),
    )

    ours = price(model(provider, wire_name), Usage(total, output, read, written), JANUARY)

    assert ours.cost_usd == theirs.total_price


def test_prices_of_the_settings_go_first():
    """A price in the settings wins over the table; cached tokens cost as much as others when not said."""
    asked = model("openai", "gpt-4o-mini-2024-07-18", prices=CUSTOM)

    got = price(asked, Usage(1000, 100, cache_read_tokens=400, cache_write_tokens=100), JANUARY)

    assert (got.cost_usd, got.source) == (Decimal("0.0035"), "settings")


def test_cache_prices_of_the_settings_are_used():
    """All four prices of the settings enter the sum."""
    prices = {**CUSTOM, "cache_read_usd_per_million": "0.25", "cache_write_usd_per_million": "3"}
    asked = model("simulated", "any", prices=prices)

    got = price(asked, Usage(1000, 100, cache_read_tokens=400, cache_write_tokens=100), JANUARY)

    # 500 x 2.50 + 400 x 0.25 + 100 x 3 + 100 x 10, for a million
    assert got.cost_usd == Decimal("0.00265")


@pytest.mark.parametrize("provider", ["local", "python", "simulated", "ollama"])
def test_what_runs_on_this_machine_is_free(provider):
    """A model in this process, a function, a simulation and a local Ollama cost nothing."""
    assert price(model(provider, "gpt-4o-mini"), Usage(1000, 1000), JANUARY) == FREE


@pytest.mark.parametrize(
    "asked",
    [
        model("openai", "no-such-model"),
        model("azure-openai", "my-deployment", base_url="https://my.openai.azure.com"),
        model("openai-compatible", "gpt-4o-mini", base_url="http://127.0.0.1:8000/v1"),
        model("openai", "gpt-4o-mini", base_url="http://127.0.0.1:8000/v1"),
        model("anthropic", "claude-sonnet-4-5-20250929", base_url="https://gateway.example.com"),
        model("openai-compatible", "gpt-4o-mini"),
        model("ollama", "gpt-oss:120b-cloud"),
    ],
)
def test_an_unknown_price_is_unknown_and_never_free(asked):
    """A name that is not in the table, or a server that is not the provider's own, has no known price."""
    assert price(asked, Usage(1000, 1000), JANUARY) == UNKNOWN


def test_a_known_service_is_priced_by_its_address():
    """An OpenAI-compatible service that the table knows by its address has that service's prices."""
    asked = model("openai-compatible", "gpt-4o-mini", base_url="https://api.openai.com/v1")

    assert price(asked, Usage(1_000_000, 0), JANUARY).cost_usd == Decimal("0.15")


def test_the_model_that_answered_is_what_is_billed():
    """An Azure deployment has no price by its name, but the model that the response names has one."""
    asked = model("azure-openai", "my-deployment", base_url="https://my.openai.azure.com")

    got = price(asked, Usage(1_000_000, 0), JANUARY, served_model="gpt-4o-mini-2024-07-18")

    assert got.cost_usd == Decimal("0.15")


def test_an_unknown_name_in_the_response_falls_back_to_the_one_asked_for():
    """When the response names a model without a price, the price of the one asked for holds."""
    asked = model("openai", "gpt-4o-mini-2024-07-18")

    assert price(asked, Usage(1_000_000, 0), JANUARY, served_model="??").cost_usd == Decimal("0.15")


def test_the_estimate_covers_text_and_all_allowed_output():
    """The worst case counts every byte of text as a token, and the most output that is allowed."""
    asked = model("openai", "gpt-4o-mini-2024-07-18")
    request = Request(messages=(Message("user", "x" * 2000),), timeout_seconds=1, max_tokens=100)

    used = estimate_usage(asked, request)

    assert used == Usage(2064, 100)
    # 2064 x 0.15 + 100 x 0.60, for a million
    assert estimate(asked, request, JANUARY).cost_usd == Decimal("0.0003696")


def test_the_estimate_counts_the_price_of_writing_into_the_prefix_cache():
    """Where that is more than the price of plain input, for all of the input."""
    asked = model("anthropic", "claude-sonnet-4-5-20250929")
    request = Request(messages=(Message("user", "x" * 936),), timeout_seconds=1, max_tokens=100)

    # 1000 x 3.75 + 100 x 15, for a million
    assert estimate(asked, request, JANUARY).cost_usd == Decimal("0.00525")


PRICED = [
    model("openai", "gpt-4o-2024-08-06"),
    model("openai", "gpt-5.6-sol"),
    model("anthropic", "claude-sonnet-4-5-20250929"),
    model("google", "gemini-2.5-pro"),
    model("bedrock", "eu.anthropic.claude-haiku-4-5-20251001-v1:0"),
    model("azure-openai", "gpt-4o-2024-08-06"),
    model("simulated", prices={**CUSTOM, "cache_read_usd_per_million": "4"}),
    model("simulated", prices={**CUSTOM, "cache_write_usd_per_million": "4"}),
]


@settings(max_examples=80, deadline=None)
@given(
    asked=st.sampled_from(PRICED),
    text=st.text(max_size=400),
    shares=st.tuples(*[st.floats(0, 1)] * 4),
    processing=st.sampled_from(["live", "batch"]),
    at_ms=st.sampled_from([JANUARY, NOVEMBER]),
)
def test_no_request_costs_more_than_its_estimate(asked, text, shares, processing, at_ms):
    """Budgets rest on it: however its tokens are cached, and whichever lane it takes."""
    request = Request(messages=(Message("user", text),), timeout_seconds=1, max_tokens=500)
    most = estimate_usage(asked, request)
    read, written, whole, output = shares
    total = int(most.input_tokens * whole)
    cached = int(total * read)
    used = Usage(total, int(most.output_tokens * output), cached, int((total - cached) * written))

    reserved = estimate(asked, request, at_ms, processing=processing).cost_usd
    spent = price(asked, used, at_ms, processing=processing).cost_usd

    assert spent is not None
    assert spent <= reserved


def test_the_estimate_knows_limits_of_settings_and_default():
    """Without a limit in the request the model's holds, and without that the default."""
    request = Request(messages=(Message("user", "x"),), timeout_seconds=1)

    assert estimate_usage(model("openai", "gpt-4o", max_tokens=50), request).output_tokens == 50
    assert estimate_usage(model("openai", "gpt-4o"), request).output_tokens == 8192


@settings(max_examples=50, deadline=None)
@given(text=st.text(max_size=300))
def test_a_longer_request_is_never_estimated_cheaper(text):
    """Adding text never lowers the estimate, whatever the text is, lone surrogates included."""
    asked = model("openai", "gpt-4o-mini-2024-07-18")
    short = Request(messages=(Message("user", text),), timeout_seconds=1)
    longer = Request(messages=(Message("user", text + "more"),), timeout_seconds=1)

    assert estimate_usage(asked, longer).input_tokens > estimate_usage(asked, short).input_tokens


@pytest.mark.parametrize(
    ("provider", "name", "expected"),
    [
        # 600 x 0.075 + 400 x 0.075 (no batch price for cached tokens) + 500 x 0.30, for a million
        ("openai", "gpt-4o-mini-2024-07-18", "0.000225"),
        # 600 x 1.50 + 400 x 0.15 + 500 x 7.50, for a million
        ("anthropic", "claude-sonnet-4-5-20250929", "0.00471"),
        # 600 x 0.15 + 400 x 0.03 + 500 x 1.25, for a million
        ("google", "gemini-2.5-flash", "0.000727"),
    ],
)
def test_a_batch_costs_what_the_price_list_says(provider, name, expected):
    """Half of the live price, mostly; what the list does not halve stays."""
    got = price(model(provider, name), Usage(1000, 500, cache_read_tokens=400), NOVEMBER, processing="batch")

    assert (got.cost_usd, got.source) == (Decimal(expected), "genai-prices")


@pytest.mark.parametrize(
    ("asked", "at_ms"),
    [
        (model("openai", "gpt-4o-mini-2024-07-18"), JANUARY),
        (model("bedrock", "amazon.nova-lite-v1:0"), NOVEMBER),
        (model("azure-openai", "gpt-4o-mini-2024-07-18"), NOVEMBER),
    ],
    ids=["before the list knew", "not in the list", "another provider's entry"],
)
def test_a_batch_without_a_known_price_costs_as_much_as_live(asked, at_ms):
    """Never too cheap, and the source says so."""
    usage = Usage(1000, 500)
    live, batch = price(asked, usage, at_ms), price(asked, usage, at_ms, processing="batch")

    assert live.cost_usd is not None
    assert (batch.cost_usd, batch.source) == (live.cost_usd, "genai-prices, no batch price known")


def test_the_settings_say_what_a_batch_costs():
    """As a share of each price; where they do not, the whole price is taken."""
    prices = {**CUSTOM, "cache_read_usd_per_million": "0.50"}
    usage = Usage(1000, 100, cache_read_tokens=400)

    half = price(
        model("simulated", prices={**prices, "batch_factor": "0.5"}), usage, JANUARY, processing="batch"
    )
    free = price(
        model("simulated", prices={**prices, "batch_factor": "0"}), usage, JANUARY, processing="batch"
    )
    full = price(model("simulated", prices=prices), usage, JANUARY, processing="batch")

    # (600 x 2.50 + 400 x 0.50 + 100 x 10) / 2, for a million
    assert (half.cost_usd, half.source) == (Decimal("0.00135"), "settings")
    assert (free.cost_usd, free.source) == (Decimal(0), "settings")
    assert (full.cost_usd, full.source) == (Decimal("0.0027"), "settings, no batch price known")


def test_a_batch_of_what_is_free_or_unknown_stays_so():
    """There is nothing to take a share of."""
    assert price(model("local"), Usage(1, 1), NOVEMBER, processing="batch") == FREE
    assert price(model("openai", "no-such-model"), Usage(1, 1), NOVEMBER, processing="batch") == UNKNOWN


def test_a_longer_prefix_cache_costs_what_the_list_says_for_an_hour():
    """Where the options ask for it, writing costs twice the input."""
    asked = model("anthropic", "claude-sonnet-4-5-20250929", options={"anthropic_cache_instructions": "1h"})

    # 1000 x 6, for a million
    assert price(asked, Usage(1000, 0, cache_write_tokens=1000), JANUARY).cost_usd == Decimal("0.006")


@pytest.mark.parametrize(
    ("asked", "saved"),
    [
        # 400 x (3 - 0.30) - 100 x (3.75 - 3), for a million
        (model("anthropic", "claude-sonnet-4-5-20250929"), "0.001005"),
        # 400 x (0.15 - 0.075); writing costs nothing more
        (model("openai", "gpt-4o-mini-2024-07-18"), "0.00003"),
        (model("simulated", prices=CUSTOM), "0"),
        (model("openai", "no-such-model"), "0"),
        (model("local"), "0"),
    ],
    ids=["anthropic", "openai", "no cache prices", "unknown", "free"],
)
def test_what_the_prefix_cache_saved_is_net_of_what_writing_cost(asked, saved):
    """Of 1,000 tokens, 400 came from the cache and 100 went into it."""
    usage = Usage(1000, 500, cache_read_tokens=400, cache_write_tokens=100)

    assert prefix_saving(asked, usage, JANUARY) == Decimal(saved)


def test_writing_without_reading_saves_less_than_nothing():
    """A cache that nobody reads costs money, and the figure shows it."""
    asked = model("anthropic", "claude-sonnet-4-5-20250929")

    assert prefix_saving(asked, Usage(1000, 0, cache_write_tokens=1000), JANUARY) == Decimal("-0.00075")
    assert prefix_saving(asked, Usage(1000, 500), JANUARY) == 0


def test_a_saving_is_the_difference_to_the_price_without_a_cache():
    """In the batch too, and at the price of the model that answered."""
    asked = model("anthropic", "claude-sonnet-4-5-20250929")
    usage = Usage(1000, 500, cache_read_tokens=400, cache_write_tokens=100)
    how = {"processing": "batch", "served_model": "claude-haiku-4-5-20251001"}

    plain = price(asked, Usage(1000, 500), NOVEMBER, **how).cost_usd
    cached = price(asked, usage, NOVEMBER, **how).cost_usd

    assert prefix_saving(asked, usage, NOVEMBER, **how) == plain - cached > 0

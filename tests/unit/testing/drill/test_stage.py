"""The stage changes where models, data and traces go, and nothing else."""

from decimal import Decimal

import pytest

from roadworthy.records import SystemClock
from roadworthy.settings import Settings
from roadworthy.testing.drill.drill import asked, cast_of
from roadworthy.testing.drill.stage import Order, budget_counts, played, staged

TOML = """
[models.big]
provider = "anthropic"
model = "claude-haiku-4-5-20251001"
timeout_seconds = 7
max_concurrency = 3
[models.mini]
provider = "openai"
model = "gpt-5-mini-2025-08-07"
options = { api = "responses" }
[models.cloud]
provider = "azure-openai"
model = "mini"
base_url = "https://desk.openai.azure.com/openai/v1"
api_version = "2026-01-01"
[models.cloud.prices]
input_usd_per_million = 2
output_usd_per_million = 4
[models.twin]
provider = "anthropic"
model = "claude-sonnet-4-5-20250929"
[models.near]
provider = "local"
path = "model.gguf"
[models.code]
provider = "python"
function = "rule:answer"
[routes.default]
models = ["code", "big", "mini"]
degrade_to = "cheap"
[[routes.default.rules]]
when = { tenant = "acme" }
models = ["cloud"]
[routes.cheap]
models = ["near"]
[schedules.nightly]
workflow = "w"
cron = "0 3 * * *"
[telemetry]
exporter = "otlp"
[budgets.daily]
scope = "tenant"
per_day_usd = 5
"""


@pytest.fixture
def settings(tmp_path):
    """A project with models of every kind."""
    (tmp_path / "roadworthy.toml").write_text(TOML)
    return Settings.load(tmp_path)


@pytest.fixture
def stage(settings, tmp_path):
    """The same on the stage, every model over the network played."""
    addresses = {name: f"http://127.0.0.1:{port}" for port, name in enumerate(played(settings), 4000)}
    return staged(settings, Order(str(tmp_path), addresses, budget="money"), SystemClock())


def test_models_over_the_network_are_played_and_no_others(settings):
    """Local models and functions stay, unless every model is asked for."""
    assert played(settings) == ["big", "mini", "cloud", "twin"]
    assert played(settings, every=True) == list(settings.models)


@pytest.mark.parametrize(
    ("kept", "expected"), [(("near", "code"), ["near"]), (("code",), ["code"]), ((), [])]
)
def test_without_a_network_what_runs_here_is_played(settings, kept, expected):
    """Local models first, else functions: something has to fail."""
    models = {name: settings.models[name] for name in kept}
    assert played(settings.model_copy(update={"models": models})) == expected


def test_a_provider_stays_where_its_dialect_is_spoken(stage):
    """The client that is used in earnest is used in the drill; others become compatible ones."""
    places = {name: (one.provider, one.base_url) for name, one in stage.models.items()}
    assert places["big"] == ("anthropic", "http://127.0.0.1:4000")
    assert places["mini"] == ("openai", "http://127.0.0.1:4001/v1")
    assert places["cloud"] == ("openai-compatible", "http://127.0.0.1:4002/v1")
    assert stage.models["mini"].options == {"api": "responses"}
    assert stage.models["near"].provider == "local"


def test_limits_and_names_stay(stage):
    """A drill is about them."""
    big = stage.models["big"]
    assert (big.model, big.timeout_seconds, big.max_concurrency) == ("claude-haiku-4-5-20251001", 7, 3)
    assert stage.routes["default"].models == ["code", "big", "mini"]
    assert stage.budgets["daily"].per_day_usd == 5


def test_prices_are_those_of_the_real_models(stage):
    """From the price list or from the settings; at its new address the list would not know the model."""
    assert stage.models["big"].prices.input_usd_per_million == Decimal(1)
    assert stage.models["big"].prices.output_usd_per_million == Decimal(5)
    assert stage.models["cloud"].prices.output_usd_per_million == 4


def test_nothing_leaves_the_stage(stage, tmp_path):
    """No schedule fires, no trace is exported, and the database is the drill's own."""
    assert stage.schedules == {}
    assert stage.telemetry.exporter == "none"
    assert stage.database.url == f"sqlite:///{tmp_path / 'roadworthy.db'}"


def test_every_played_model_has_the_made_up_key(stage):
    """Real keys are not read, and not needed."""
    keys = {name: one.key_variable for name, one in stage.models.items() if name not in ("near", "code")}
    assert set(keys.values()) == {"ROADWORTHY_DRILL_KEY"}


def test_the_drill_s_budget_counts_what_can_be_spent(settings):
    """Money where a model costs any, else tokens."""
    assert budget_counts(settings, ["big", "near"], 0) == "money"
    assert budget_counts(settings, ["near"], 0) == "tokens"


def test_the_first_is_the_first_that_is_played(settings):
    """A function before it in the route does not fail; its provider takes all its models along."""
    cast = cast_of(settings, ("default",), played(settings))
    assert cast.first == {"big"}
    assert cast.provider == {"big", "twin"}
    assert cast.every == {"big", "mini", "cloud", "twin"}


def test_the_models_that_may_be_asked_are_those_of_rules_and_degrading_too(settings):
    """They are made ready before the first run."""
    assert asked(settings, ("default",)) == ["code", "big", "mini", "cloud", "near"]


def test_an_order_survives_the_way_to_another_process(tmp_path):
    """A worker stands on the same stage."""
    order = Order(str(tmp_path), {"big": "http://127.0.0.1:4000"}, ["big"], "tokens")
    order.write(tmp_path / "order.json")
    assert Order.read(tmp_path / "order.json") == order

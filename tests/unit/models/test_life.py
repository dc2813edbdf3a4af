"""How long models will be there, from settings, price list and refusals."""

from datetime import UTC, date, datetime
from types import SimpleNamespace

import pytest
from genai_prices.types import ClauseEquals, ModelInfo

from roadworthy.models.life import Life, Refusal, _read, lives
from roadworthy.settings import ModelSettings

NOW = int(datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp() * 1000)


def model(provider: str, name: str = "", **fields):
    """A model as far as its life goes."""
    section = ModelSettings.model_validate({"provider": provider, "model": name, **fields})
    return SimpleNamespace(name="mine", provider=provider, model=name, settings=section)


def life(target, *refused: Refusal) -> Life:
    """What is known of one model."""
    [found] = lives([target], NOW, refused)
    return found


@pytest.mark.parametrize(
    ("target", "state"),
    [
        (model("openai", "gpt-4o-2024-08-06"), "ok"),
        (model("anthropic", "claude-sonnet-4-5-20250929"), "ok"),
        (model("google", "gemini-2.0-flash-001"), "retired"),
        (model("google-vertex", "gemini-2.0-flash-001"), "deprecated"),
        (model("openai-compatible", "grok-2-1212", base_url="https://api.x.ai/v1"), "deprecated"),
        (model("openai", "no-such-model"), "unknown"),
        (model("openai-compatible", "gpt-4o", base_url="http://127.0.0.1:8000/v1"), "unknown"),
        (model("local"), "ok"),
        (model("python"), "ok"),
        (model("simulated", "gpt-4o"), "ok"),
        (model("ollama", "llama3.2:3b"), "ok"),
    ],
    ids=str,
)
def test_the_price_list_says_what_it_knows(target, state):
    """What is not in it is unknown; what runs here goes when its owner says so."""
    assert life(target).state == state


@pytest.mark.parametrize(
    ("day", "state"),
    [
        ("2020-01-01", "retired"),
        ("2026-11-21", "retired"),
        ("2026-11-22", "retiring"),
        ("2027-02-19", "retiring"),
        ("2027-02-20", "ok"),
    ],
)
def test_a_date_in_the_settings_counts_from_its_day_on(day, state):
    """Within 90 days it is soon; later it is only told."""
    found = life(model("openai", "gpt-4o-2024-08-06", retires_on=day))

    assert (found.state, found.retires_on) == (state, date.fromisoformat(day))
    assert bool(found.warning) is (state != "ok")


def test_the_settings_know_better_than_the_price_list():
    """An operator whose contract runs longer is not told to leave."""
    found = life(model("google", "gemini-2.0-flash-001", retires_on="2028-01-01"))

    assert (found.state, found.warning) == ("ok", None)


def test_a_retired_model_is_told_with_reason_and_advice():
    """In one sentence each, under the name that the settings use."""
    assert life(model("openai", "gpt-4o", retires_on="2026-10-01")).warning == (
        "models.mine: its settings say that it retires on 2026-10-01. "
        "Choose another one, evaluate it, and change models.mine.model."
    )


def test_a_model_that_its_provider_did_not_know_is_refused():
    """Also one that the price list does not know; how often and when is told."""
    for target in (model("openai", "gpt-4o-2024-08-06"), model("openai", "no-such-model")):
        found = life(target, Refusal("mine", 3, NOW - 1000), Refusal("another", 9, NOW))
        assert found.state == "refused"
        assert "said 3 times" in found.why
        assert "2026-11-21T11:59:59" in found.why
    assert "said once" in life(model("openai", "gpt-4o"), Refusal("mine", 1, NOW)).why


def test_what_is_sure_goes_before_what_was_said():
    """One whose day has come is retired, whatever its provider answered; one that is to go is refused."""
    refusal = Refusal("mine", 1, NOW)

    assert life(model("openai", "gpt-4o", retires_on="2026-10-01"), refusal).state == "retired"
    assert life(model("openai", "gpt-4o", retires_on="2026-12-01"), refusal).state == "refused"


def test_models_keep_their_order():
    """One life for each."""
    targets = [model("local"), model("openai", "no-such-model"), model("python")]

    assert [one.state for one in lives(targets, NOW)] == ["ok", "unknown", "ok"]


@pytest.mark.parametrize(
    ("deprecated", "text", "gone", "day"),
    [
        (True, "Retires on 2026-10-30.", False, date(2026, 10, 30)),
        (True, "Deprecated. Will shut down Oct 2, 2026; migrate.", False, date(2026, 10, 2)),
        (True, "from the page, should be retired 2025-07-15", False, date(2025, 7, 15)),
        (True, "Discontinued for all on 2026-08-31.", False, date(2026, 8, 31)),
        (True, 'Listed as "(Shut down)" in the catalog, last updated 2026-10-13.', True, None),
        (True, "No longer listed in the catalog (checked 2026-10-09).", True, None),
        (True, "Retired on 2026-02-31.", True, None),
        (True, "Deprecated 2026-05-22. Mistral recommends Medium 3.5.", False, None),
        (True, "Costs twice as much in the afternoon.", False, None),
        (None, "Retired on 2025-06-16; kept for old records.", False, date(2025, 6, 16)),
    ],
)
def test_comments_of_the_price_list_are_read_with_care(deprecated, text, gone, day):
    """A day counts only where it is said to be the model's last one; when somebody looked is no such day."""
    listed = _read(ModelInfo(id="m", match=ClauseEquals("m"), deprecated=deprecated, price_comments=text))

    assert (listed.deprecated, listed.gone, listed.retires_on) == (True, gone, day)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "Cache writes cost double. The beta of long contexts was retired on 2026-04-30.",
        "Rates from 2026-09-10, when the maker retired its predecessor and routed its name here.",
    ],
)
def test_comments_on_parts_of_a_model_that_is_not_marked_are_not_about_its_life(text):
    """Nobody is sent away from a model because a price of it has changed."""
    listed = _read(ModelInfo(id="m", match=ClauseEquals("m"), price_comments=text))

    assert (listed.known, listed.deprecated, listed.quote) == (True, False, "")

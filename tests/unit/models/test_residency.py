"""Where data may go: nothing that is not clearly permitted."""

from types import SimpleNamespace

import pytest

from roadworthy.models import allowed
from roadworthy.models.residency import describe
from roadworthy.settings import ResidencySettings

RULES = {
    "personal": ResidencySettings(regions=["eu", "ch-north-1"]),
    "health": ResidencySettings(regions=["eu-central-1"]),
}


def model(name: str, region: str | None = None, provider: str = "openai", wire: str = "m"):
    """A model as far as its place goes."""
    return SimpleNamespace(name=name, provider=provider, region=region, model=wire)


def names(found) -> list[str]:
    """Names of models, in order."""
    return [one.name for one in found]


@pytest.mark.parametrize(
    ("region", "fits"),
    [
        ("eu", True),
        ("eu-central-1", True),
        ("EU-West-3", True),
        ("ch-north-1", True),
        ("europe-west1", False),
        ("eus", False),
        ("ch", False),
        ("ch-north-12", False),
        ("us", False),
        ("", False),
        (None, False),
    ],
)
def test_a_region_fits_when_it_is_permitted_or_a_part_of_what_is(region, fits):
    """`eu` permits `eu-central-1`, but a part does not permit the whole."""
    permitted, refused = allowed([model("m", region)], ["personal"], RULES)
    assert names(permitted) == (["m"] if fits else [])
    assert bool(refused) is not fits


@pytest.mark.parametrize("provider", ["local", "python"])
def test_what_runs_in_this_process_needs_no_region(provider):
    """Its data does not leave it."""
    permitted, refused = allowed([model("m", None, provider)], ["personal", "health"], RULES)
    assert (names(permitted), refused) == (["m"], [])


@pytest.mark.parametrize("provider", ["simulated", "ollama", "openai-compatible"])
def test_another_server_needs_a_region_wherever_it_runs(provider):
    """Nobody knows what stands behind an address."""
    assert allowed([model("m", None, provider)], ["personal"], RULES)[1] == [
        ("m", "it has no region, and data of kind 'personal' is for 'eu', 'ch-north-1' only")
    ]


def test_all_kinds_of_data_must_permit_a_model():
    """The narrowest rule decides; order is kept."""
    models = [
        model("a", "eu-west-1"),
        model("b", "eu-central-1"),
        model("c", "us"),
        model("d", None, "local"),
    ]

    permitted, refused = allowed(models, ["personal", "health"], RULES)

    assert names(permitted) == ["b", "d"]
    assert refused == [
        ("a", "its region is 'eu-west-1', and data of kind 'health' is for 'eu-central-1' only"),
        ("c", "its region is 'us', and data of kind 'personal' is for 'eu', 'ch-north-1' only"),
    ]


def test_without_kinds_of_data_every_model_is_permitted():
    """Rules are for data that is marked."""
    models = [model("a"), model("b", "us")]
    assert allowed(models, [], RULES) == (tuple(models), [])


def test_a_kind_that_nobody_described_is_refused_everywhere():
    """A typing mistake must not let data out; not even a model in this process is given it."""
    permitted, refused = allowed([model("a", "eu"), model("b", None, "local")], ["persnal"], RULES)

    assert permitted == ()
    assert [name for name, _ in refused] == ["a", "b"]
    assert refused[0][1] == (
        "there is no [residency.persnal] that says where data of this kind may go (Did you mean 'personal'?)"
    )
    assert allowed([model("a", "eu")], ["personal"], {})[0] == ()


@pytest.mark.parametrize(
    ("wire", "fits"),
    [
        ("anthropic.claude-sonnet-4-5-20250929-v1:0", True),
        ("eu.anthropic.claude-sonnet-4-5-20250929-v1:0", False),
        ("global.anthropic.claude-sonnet-4-5-20250929-v1:0", False),
        ("arn:aws:bedrock:eu-central-1:123456789012:inference-profile/us.amazon.nova-pro-v1:0", False),
    ],
)
def test_a_model_that_bedrock_serves_from_several_regions_is_in_all_of_them(wire, fits):
    """The region that is called is not where it computes."""
    permitted, _ = allowed([model("m", "eu-central-1", "bedrock", wire)], ["health"], RULES)
    assert bool(permitted) is fits


def test_a_group_of_regions_is_permitted_by_its_name():
    """Data that may go anywhere in `eu` may go to a profile of that group."""
    target = model("m", "eu-central-1", "bedrock", "eu.anthropic.claude-sonnet-4-5-20250929-v1:0")
    assert allowed([target], ["personal"], RULES)[0] == (target,)


def test_the_description_names_data_models_and_reasons():
    """For the error of a call that no model may answer."""
    rules = {"health": RULES["health"]}
    refused = allowed([model("a"), model("b", "us")], ["health"], rules)[1]
    assert describe(["health"], refused) == (
        "Data of kind 'health' may not go to "
        "'a': it has no region, and data of kind 'health' is for 'eu-central-1' only; "
        "'b': its region is 'us', and data of kind 'health' is for 'eu-central-1' only."
    )

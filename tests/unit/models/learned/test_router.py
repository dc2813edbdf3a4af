"""The router chooses by what it learned, and never sends more to the cheap model than was proven."""

import math
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy.errors import ConfigurationError
from roadworthy.models.learned import LearnedRouter
from roadworthy.models.learned.router import Scorer

EASY, HARD = "My parcel", "My contract"


def test_an_easy_text_goes_to_the_cheap_model(make_file):
    """The score of a text decides; 0.5 + 4 is the log odds of one that holds only the easy word."""
    router = LearnedRouter(make_file(max_share=1.0))
    assert router.choose(EASY).cheap
    assert router.choose(EASY).score == pytest.approx(1 / (1 + math.exp(-4.5)))
    assert not router.choose(HARD).cheap
    assert router.choose(HARD).score == pytest.approx(1 / (1 + math.exp(3.5)))


def test_a_text_of_unknown_words_goes_to_the_strong_model(make_file):
    """What it knows nothing of, it says nothing of, however many may be routed."""
    router = LearnedRouter(make_file(max_share=1.0, threshold=0.01))
    for text in ("", "Wo ist es?", "\u914d\u9001", "\ud800"):
        assert router.choose(text).cheap is False
        assert router.choose(text).score == 0.0


def test_where_no_word_makes_a_difference_all_texts_are_alike(make_file):
    """A router without terms, from results in which the cheap model was never worse, routes every text."""
    router = LearnedRouter(make_file(max_share=1.0, threshold=0.5, terms={}))
    assert router.choose("anything").cheap


def test_without_a_threshold_nothing_is_routed(make_file):
    """Nothing proven, nothing routed."""
    router = LearnedRouter(make_file(threshold=None, max_share=0.0))
    assert not any(router.choose(EASY).cheap for _ in range(100))


@given(st.lists(st.sampled_from([EASY, HARD, "unknown"]), max_size=60), st.floats(0, 1))
def test_at_no_moment_is_more_routed_than_proven(make_file, texts, share):
    """After every single choice, the routed part of all texts so far is at most the share."""
    router = LearnedRouter(make_file(max_share=share))
    routed = 0
    for seen, text in enumerate(texts, 1):
        choice = router.choose(text)
        routed += choice.cheap
        assert routed <= share * seen
        assert not choice.cheap or text == EASY


def test_the_share_is_used_up_when_every_text_is_easy(make_file):
    """Traffic that drifts to easy texts is held at the share, and not far below it."""
    router = LearnedRouter(make_file(max_share=0.4))
    assert sum(router.choose(EASY).cheap for _ in range(1000)) == 400


def test_threads_share_one_count(make_file):
    """Many threads at once route no more than one would."""
    router = LearnedRouter(make_file(max_share=0.25))
    with ThreadPoolExecutor(8) as pool:
        routed = sum(choice.cheap for choice in pool.map(router.choose, [EASY] * 4000))
    assert routed == 1000


def test_asking_for_a_score_counts_nothing(make_file):
    """Looking at scores leaves the share alone."""
    router = LearnedRouter(make_file(max_share=0.5))
    assert [router.score(EASY) for _ in range(10)]
    assert [router.choose(EASY).cheap for _ in range(4)] == [False, True, False, True]


@given(st.text())
def test_any_text_has_a_score(text):
    """Nothing that a user may write makes the router fail."""
    scorer = Scorer(0.0, {"parcel": (1.5, 800.0), "contract": (2.0, -800.0)})
    assert 0.0 <= scorer.score(text) <= 1.0
    assert scorer.score("contract " + text) >= 0.0


@pytest.mark.parametrize("models", [["small", "large"], ["small", "middle", "large"]])
def test_it_belongs_to_a_route_that_asks_its_models_in_order(make_file, models):
    """Others may stand between the two, or after them."""
    LearnedRouter(make_file()).require("answer", models)


@pytest.mark.parametrize(
    "models", [["large", "small"], ["small"], ["tiny", "small", "large"], ["a", "b"], []]
)
def test_it_is_refused_by_a_route_with_other_models(make_file, models):
    """What was proven for two models holds for these two in this order only."""
    with pytest.raises(ConfigurationError, match="trained for 'small' before 'large'") as caught:
        LearnedRouter(make_file()).require("answer", models)
    assert "roadworthy routes train answer" in caught.value.hint


def test_it_knows_when_another_model_stands_behind_a_name(make_file):
    """A name that serves another model now is named; a file that never said is not suspected."""
    router = LearnedRouter(make_file())
    assert router.changed({"small": "small-1", "large": "large-1", "other": "x"}) == []
    assert router.changed({"small": "small-2", "large": "large-1"}) == ["small"]
    assert LearnedRouter(make_file(served={})).changed({"small": "small-2"}) == []


def test_it_is_loaded_from_its_file(make_file, tmp_path):
    """The file is all that a running project needs."""
    make_file(max_share=1.0).write(tmp_path / "r.json")
    router = LearnedRouter.load(tmp_path / "r.json")
    assert (router.cheap, router.strong) == ("small", "large")
    assert router.choose(EASY).cheap

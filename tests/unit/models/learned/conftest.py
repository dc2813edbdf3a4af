"""Made-up eval results in which the words of a text say how well the cheap model answers it."""

import random
from collections.abc import Callable

import pytest

from roadworthy.models.learned import Case, Results, RouterFile
from roadworthy.models.learned.file import Cases, Measured

EASY = ["where", "is", "my", "parcel", "when", "does", "it", "come", "delivery", "tracking", "late"]
HARD = ["dispute", "the", "tax", "clause", "of", "contract", "liability", "refund", "under", "law"]


def draw(
    number: int, seed: int = 1, *, wrong_if_hard: float = 0.5, wrong_if_easy: float = 0.005
) -> list[Case]:
    """Cases of which two thirds are easy. The strong model is wrong on 3% of them, whatever they are."""
    source = random.Random(seed)
    cases: list[Case] = []
    for _ in range(number):
        easy = source.random() < 2 / 3
        text = " ".join(source.choices(EASY if easy else HARD, k=8))
        strong = source.random() >= 0.03
        cheap = source.random() >= (wrong_if_easy if easy else wrong_if_hard)
        cases.append(Case(text, float(cheap), float(strong)))
    return cases


@pytest.fixture(scope="session")
def make_results() -> Callable[..., Results]:
    """Results with so many cases."""

    def make(number: int, seed: int = 1, **chances: float) -> Results:
        return Results(tuple(draw(number, seed, **chances)), number, "0" * 64)

    return make


@pytest.fixture(scope="session")
def make_file() -> Callable[..., RouterFile]:
    """A router that knows two words: with `parcel` a text is easy, with `contract` it is not."""

    def make(**fields: object) -> RouterFile:
        values: dict[str, object] = {
            "route": "answer",
            "cheap": "small",
            "strong": "large",
            "served": {"small": "small-1", "large": "large-1"},
            "trained_at": "2026-01-01T00:00:00.000Z",
            "data_sha256": "0" * 64,
            "cases": Cases(lines=1000, fit=500, choose=350, report=150),
            "max_loss": 0.01,
            "confidence": 0.95,
            "bound": "exact",
            "threshold": 0.9,
            "max_share": 0.4,
            "loss_bound": 0.008,
            "more_cases": None,
            "measured": Measured(
                share=0.4,
                loss=0.001,
                loss_at_most=0.012,
                worse=0.002,
                better=0.001,
                random_loss=0.04,
                cheap_loss=0.1,
            ),
            "table": (),
            "intercept": 0.5,
            "terms": {"parcel": (1.5, 4.0), "contract": (2.0, -4.0)},
        }
        return RouterFile.model_validate({**values, **fields})

    return make

"""Routes that choose by what was learned: never more goes to the cheap model than was proven."""

from roadworthy.models.learned import LearnedRouter, RouterFile
from roadworthy.models.learned.file import Cases, Measured
from roadworthy.testing.simulated import Unavailable

TRAINED = RouterFile(
    route="default",
    cheap="main",
    strong="second",
    served={},
    trained_at="2026-01-01T00:00:00.000Z",
    data_sha256="0" * 64,
    cases=Cases(lines=1000, fit=500, choose=350, report=150),
    max_loss=0.01,
    confidence=0.95,
    bound="exact",
    threshold=0.9,
    max_share=0.5,
    loss_bound=0.008,
    more_cases=None,
    measured=Measured(
        share=0.5, loss=0.004, loss_at_most=0.02, worse=0.004, better=0.0, random_loss=0.1, cheap_loss=0.2
    ),
    table=(),
    intercept=0.0,
    terms={"parcel": (1.0, 6.0), "contract": (1.0, -6.0)},
)
"""With `parcel` a text is easy, with `contract` it is not."""


async def rungs(desk, texts, *, holds=True):
    """Which model answers each text in turn, on a fresh router."""
    router = LearnedRouter(TRAINED)
    desk.load_router = lambda _name, _route: (router, holds)
    pipeline = desk.pipeline("main", "second", route={"choose": "learned", "router": "routes/default.json"})
    return [(await desk.ask(pipeline, text=text)).rung for text in texts]


async def test_easy_texts_go_to_the_cheap_model_up_to_the_proven_share(desk):
    """The first one would already be more than half of all; from then on every second one may go."""
    assert await rungs(desk, ["my parcel"] * 6) == ["second", "main", "second", "main", "second", "main"]


async def test_hard_and_unknown_texts_go_to_the_strong_model(desk):
    """The inputs decide, not the words of the prompt around them."""
    assert await rungs(desk, ["a contract", "zebra", "a contract"]) == ["second"] * 3


async def test_a_router_that_no_longer_holds_sends_all_to_the_strong_model(desk):
    """Another model behind a name is another model: nothing is proven of it."""
    assert await rungs(desk, ["my parcel"] * 3, holds=False) == ["second"] * 3


async def test_the_strong_model_follows_when_the_cheap_one_fails(desk):
    """A route that has learned is still a route: an outage is answered by the next model."""
    desk.server.answers.rules.append(
        lambda received: Unavailable() if received.model == "first-model" else None
    )
    assert await rungs(desk, ["my parcel"] * 2) == ["second", "second"]

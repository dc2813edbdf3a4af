"""What code says of an answer: how sure one may be of it, by which signal."""

from types import SimpleNamespace

import pytest

from roadworthy.calls import Rules, function_of
from roadworthy.calls.rules import SELF_REPORT


@pytest.mark.parametrize("said", [0, 0.25, 1])
async def test_an_answer_says_how_sure_it_is(said):
    """A number from 0 to 1 is taken as it is."""
    assert await Rules().confidence(SimpleNamespace(confidence=said), {}) == {SELF_REPORT: float(said)}


@pytest.mark.parametrize("said", [95, -0.1, 1.01, float("nan"), float("inf"), "high", True, None])
async def test_what_is_no_share_says_nothing(said):
    """A model that answers 95 is neither quite sure nor quite unsure: on which scale, nobody knows."""
    assert await Rules().confidence(SimpleNamespace(confidence=said), {}) == {}


async def test_a_signal_that_fails_is_no_reason_to_be_sure():
    """It counts as 0, beside whatever the answer says of itself."""

    def broken(answer: object) -> float:
        raise ZeroDivisionError

    signal = function_of(broken, answers=1, inputs=frozenset(), what="signal")
    found = await Rules(signals=(signal,)).confidence(SimpleNamespace(confidence=0.9), {})
    assert found == {SELF_REPORT: 0.9, "broken": 0.0}

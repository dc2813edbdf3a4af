"""Several evaluators as one: what they say together, and when one of them does not know."""

import pytest

from roadworthy.evals import Outcome
from roadworthy.evals.evaluator import Workshop

YES = {"kind": "contains", "all": ["x"]}
NO = {"kind": "contains", "all": ["nowhere"], "category": "missing"}
NUMBER = {"kind": "similarity", "value": "x"}
RAISES = {"kind": "python", "function": "raises"}
ELSEWHERE = {"kind": "contains", "all": ["nowhere"], "tags": ["other"]}


def _raises():
    raise ZeroDivisionError


async def _ask(*_):
    raise AssertionError


@pytest.mark.parametrize(
    ("kind", "of", "passed", "error"),
    [
        ("all_of", [YES, YES], True, False),
        ("all_of", [YES, NO], False, False),
        ("all_of", [YES, ELSEWHERE], True, False),
        ("all_of", [YES, NUMBER], True, False),
        ("all_of", [YES, RAISES], None, True),
        ("all_of", [NO, RAISES], False, False),
        ("all_of", [NUMBER], None, True),
        ("any_of", [NO, YES], True, False),
        ("any_of", [NO, NO], False, False),
        ("any_of", [YES, RAISES], True, False),
        ("any_of", [NO, RAISES], None, True),
        ("none_of", [NO, NO], True, False),
        ("none_of", [NO, YES], False, False),
        ("none_of", [YES, RAISES], False, False),
        ("none_of", [NO, RAISES], None, True),
        ("all_of", [{"kind": "any_of", "of": [NO, YES]}, {"kind": "none_of", "of": [NO]}], True, False),
    ],
)
async def test_what_they_say_together(build, case_of, kind, of, passed, error):
    """One that could not judge counts only where the others do not decide."""
    shop = Workshop(functions={"raises": _raises}, ask=_ask, digest_of=str)
    said = build(shop, kind=kind, of=of).score(case_of(), Outcome(output="x"))
    said = said if not hasattr(said, "__await__") else await said
    assert (said.passed, said.error) == (passed, error)


def test_a_no_is_told_with_its_category(build, say):
    """Whoever said it."""
    said = say(build(kind="all_of", of=[YES, NO]), "x")
    assert (said.category, said.reason) == ("missing", "contains: does not contain 'nowhere'")


def test_it_applies_where_one_of_them_does(build, case_of):
    """Its own tags hold before."""
    assert not build(kind="all_of", of=[ELSEWHERE]).applies(case_of())
    assert build(kind="all_of", of=[ELSEWHERE]).applies(case_of(tags=("other",)))
    assert not build(kind="all_of", of=[YES], tags=["other"]).applies(case_of())


def test_it_blocks_only_where_all_of_them_do(build):
    """What only informs decides nothing by being put together."""
    assert build(kind="all_of", of=[YES, NO]).blocks
    assert not build(kind="all_of", of=[YES, {**NO, "informs": True}]).blocks

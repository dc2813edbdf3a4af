"""What a judge of pairs says of two experiments: majorities, money, budgets, and when it may decide."""

from decimal import Decimal

import pytest

from roadworthy.errors import BudgetSpent
from roadworthy.evals import Case, Outcome, Result, VerdictKind
from roadworthy.evals.evaluator import Workshop
from roadworthy.evals.evaluators.pairwise import PairwiseSettings
from roadworthy.evals.judging.labels import output_hash
from roadworthy.evals.judging.pairs import judge_pairs
from roadworthy.evals.judging.record import Record
from roadworthy.evals.suite import SuiteSettings
from roadworthy.evals.verdict import judge, with_preferences

SETTINGS = SuiteSettings.model_validate(
    {"judges": {"min_labels": 4}, "concurrency": 1, "evaluators": [{"kind": "exact"}]}
)
CENT = Decimal("0.01")


def results(outputs, repeats=1):
    """One case an output; an error where there is none."""
    return [
        Result(
            f"c{number // repeats}",
            number % repeats,
            (),
            "same",
            Outcome(output=output) if output is not None else Outcome(error="timeout"),
        )
        for number, output in enumerate(outputs)
    ]


async def said_of(before, after, *, ask=None, record=None, repeats=1, **settings):
    """What a judge that prefers the longer text says."""

    async def longer(prompt, inputs, repeat):
        one, other = len(inputs["first"]), len(inputs["second"])
        better = "first" if one > other else "second" if one < other else "tie"
        return Outcome(output={"better": better}, cost_usd=CENT, taped=inputs["first"] < inputs["second"])

    made = PairwiseSettings(kind="pairwise", prompt="longer", **settings)
    built = made.build(Workshop(functions={}, ask=ask or longer, digest_of=str))
    cases = {f"c{number}": Case(f"c{number}", {}, None, ("edge",)) for number in range(len(before))}
    sides = results(before, repeats), results(after, repeats)
    return await judge_pairs(built, cases, *sides, SETTINGS, record or Record())


async def test_wins_losses_and_ties_with_what_they_cost():
    """What came from the tape cost nothing now."""
    said = await said_of(["aa", "b", "cc", "d", None, "f"], ["a", "bb", "dd", "d", "e", None])
    assert (said.losses, said.wins, said.ties, said.same) == (("c0",), ("c1",), 2, 1)
    assert (said.cost_usd, said.saved_usd) == (3 * CENT, 3 * CENT)
    assert said.told() == (
        "pairwise longer prefers the answer before in 1 of 4 cases, the answer after in 1, neither in 2: "
        "+0.0% (-60.4% to +60.4%, p = 1.000)."
    )


async def test_a_case_with_repeats_counts_once():
    """With the majority of its pairs."""
    said = await said_of(["a", "a", "bb", "c", "cc", "c"], ["aa", "aa", "b", "cc", "c", "c"], repeats=3)
    assert (said.wins, said.losses, said.ties) == (("c0",), (), 1)


async def test_it_is_asked_of_cases_with_its_tags():
    """As any evaluator is."""
    assert (await said_of(["aa"], ["a"], tags=["common"])).cases == 0
    assert (await said_of(["aa"], ["a"], tags=["edge"])).cases == 1


async def test_a_budget_that_is_spent_stops_it():
    """What was judged until then is told, the rest is not guessed."""
    asked = []

    async def ask(prompt, inputs, repeat):
        asked.append(inputs)
        if len(asked) > 4:
            raise BudgetSpent("Spent.", budget="experiment")
        return Outcome(output={"better": "tie"}, cost_usd=CENT)

    said = await said_of(["a"] * 5, ["b"] * 5, ask=ask)
    assert (said.ties, said.silent, said.stopped, len(asked)) == (2, 3, "Spent.", 6)
    assert "It stopped: Spent." in said.told()


@pytest.mark.parametrize(
    ("people", "informs"),
    [
        ("LLLLLLLL", ""),
        ("LLLLLLLW", ""),
        ("LLLLLWWW", "it agrees with people too little: kappa 0.25, 0.6 is asked for"),
        ("LLL", "people's labels tell 3 of these pairs apart, and 4 are asked for"),
    ],
)
async def test_it_decides_where_people_tell_pairs_apart_as_it_does(people, informs):
    """They passed one answer of a pair and failed the other; one that informs is a note of the verdict."""
    one, other = (output_hash(Outcome(output=text)) for text in ("long", "s"))
    labels = {f"c{n}": {one: word == "L", other: word == "W"} for n, word in enumerate(people)}
    said = await said_of(["long"] * 9, ["s"] * 9, record=Record(labels=labels))
    assert said.informs == informs
    verdict = judge(SETTINGS, [], 0, None)
    told = with_preferences(verdict, [said])
    if informs:
        assert told.grounds == verdict.grounds
        assert informs in told.notes[-1]
    else:
        assert (told.grounds[-1].name, told.kind) == (said.judge, VerdictKind.FAIL)

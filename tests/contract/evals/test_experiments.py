"""An experiment from its data set to its verdict, on either database, with a real pipeline."""

import asyncio
from decimal import Decimal

import pytest
import sqlalchemy as sa
from tests.contract.evals.conftest import CASES, SUITE, case

from roadworthy.db.tables.calls import calls
from roadworthy.errors import ConfigurationError, NotFound, StateConflict
from roadworthy.evals import ExperimentStatus, Variant, VerdictKind, store


async def test_every_case_is_answered_judged_and_on_record(desk):
    """What it says can be read again from the database, with every score."""
    async with desk.evals() as evals:
        ran = await evals.run("sort-message")
        assert [one.passed for one in ran.results] == [True, True, True, False]
        assert ran.verdict.categories == {"exact queue": 1}
        assert ran.experiment.status is ExperimentStatus.FINISHED
        database = evals._project.database
        stored = await database.read(lambda tx: store.get(tx, ran.experiment.id))
        results = await database.read(lambda tx: store.results(tx, ran.experiment.id))
        assert stored == ran.experiment
        assert tuple(results) == ran.results
    assert sorted(desk.asked) == sorted(one["inputs"]["text"] for one in CASES)


async def test_its_calls_are_on_record_apart_from_production(desk):
    """Their environment is that of evaluations, and their task the experiment; its cost is what they cost."""
    async with desk.evals() as evals:
        ran = await evals.run("sort-message")
        rows = await evals._project.database.read(lambda tx: tx.execute(sa.select(calls)).all())
    assert {(row.environment, row.task, row.workflow) for row in rows} == {("evals", ran.experiment.id, "")}
    total = Decimal(sum(row.cost_micro_usd for row in rows)) / 1_000_000
    assert ran.experiment.cost_usd == total > 0


async def test_what_was_answered_before_is_not_asked_again(desk):
    """The second experiment is free, says the same, and tells what the first one cost and took."""
    async with desk.evals() as evals:
        first = await evals.run("sort-message")
        asked = len(desk.asked)
        second = await evals.run("sort-message")
    assert len(desk.asked) == asked
    assert second.experiment.cost_usd == 0
    assert (first.experiment.saved_usd, second.experiment.saved_usd) == (0, first.experiment.cost_usd)
    assert all(one.outcome.taped for one in second.results)
    for one, other in zip(first.results, second.results, strict=True):
        assert one.outcome.cost_usd == other.outcome.cost_usd > 0
        assert (one.outcome.output, one.passed) == (other.outcome.output, other.passed)


async def test_only_what_changed_is_asked_again(desk):
    """One case has other words: one answer is new."""
    async with desk.evals() as evals:
        await evals.run("sort-message")
        desk.asked.clear()
        desk.cases("sort-message", [case("a", "Where on earth is my parcel?", "delivery"), *CASES[1:]])
        await evals.run("sort-message")
    assert desk.asked == ["Where on earth is my parcel?"]


async def test_another_text_of_the_prompt_is_asked_anew(desk):
    """An answer to one prompt says nothing of another."""
    async with desk.evals() as evals:
        await evals.run("sort-message")
    desk.asked.clear()
    desk.prompt("v2", (desk.root / "prompts/sort-message/v1.md").read_text() + "Be brief.\n")
    async with desk.evals() as evals:
        ran = await evals.run("sort-message")
    assert ran.experiment.variant == "sort-message@v2"
    assert len(desk.asked) == len(CASES)


async def test_another_route_is_another_variant(desk):
    """By the route of the other model everything is `other`."""
    async with desk.evals() as evals:
        ran = await evals.run("sort-message", evals.variant("sort-message", "second"))
        alone = await evals.run("sort-message", Variant(model="other"))
    assert ran.experiment.variant == "sort-message@v1 by second"
    assert [one.outcome.output for one in ran.results] == [{"queue": "other"}] * 4
    assert [one.outcome.output for one in alone.results] == [{"queue": "other"}] * 4
    assert desk.asked == []


async def test_two_variants_are_compared_case_by_case(desk):
    """Regressions are named, and four cases are told to be too few."""
    async with desk.evals() as evals:
        before = await evals.run("sort-message")
        after = await evals.run("sort-message", Variant(route="second"))
        difference = evals.compare(before, after)
    assert set(difference.worse) == {"a", "b"}
    assert difference.better == ()
    assert not difference.significant
    assert difference.needs_more is not None


async def test_a_strict_tape_asks_nothing(desk):
    """What it does not know is a failure of that case, and says so."""
    async with desk.evals() as evals:
        ran = await evals.run("sort-message", mode="strict")
    assert desk.asked == []
    assert {one.outcome.error for one in ran.results} == {"not_on_tape"}
    assert ran.verdict.kind is VerdictKind.FAIL


async def test_a_tape_in_a_file_serves_a_machine_without_a_database(desk):
    """Written once, it answers where nothing was ever asked."""
    async with desk.evals() as evals:
        path = evals.write_tape([await evals.run("sort-message")])
        await evals._project.database.write(lambda tx: tx.execute(sa.text("DELETE FROM tape")))
        desk.asked.clear()
        again = await evals.run("sort-message", mode="strict")
        assert [one.passed for one in again.results] == [True, True, True, False]
        path.write_text(path.read_text().replace('"form": 1', '"form": 0'))
        other = await evals.run("sort-message", mode="strict")
    assert desk.asked == []
    assert len(other.tape.faults) == 4
    assert "form 0" in str(other.tape.faults[0])
    assert {one.outcome.error for one in other.results} == {"not_on_tape"}


async def test_refreshing_asks_again_and_keeps_the_new_answer(desk):
    """After a refresh the tape says what was said last."""
    async with desk.evals() as evals:
        await evals.run("sort-message")
        desk.answer = lambda _: {"queue": "other"}
        old = await evals.run("sort-message")
        fresh = await evals.run("sort-message", mode="refresh")
        kept = await evals.run("sort-message")
    assert [one.outcome.output["queue"] for one in old.results] == ["delivery", "billing", "other", "other"]
    assert [one.outcome.output["queue"] for one in fresh.results] == ["other"] * 4
    assert [one.outcome.output["queue"] for one in kept.results] == ["other"] * 4


async def test_repeats_show_what_is_not_the_same_each_time(desk):
    """Each repeat is answered by itself, and replayed as it was."""
    said = iter(["billing", "other", "billing", "other"] * 10)
    desk.answer = lambda _: {"queue": next(said)}
    async with desk.evals() as evals:
        ran = await evals.run("sort-message", repeats=4)
        again = await evals.run("sort-message", repeats=4)
    assert len(desk.asked) == 16
    assert ran.verdict.flicker >= 1
    assert [one.outcome.output for one in again.results] == [one.outcome.output for one in ran.results]


async def test_a_spent_budget_stops_it_and_it_goes_on_with_more(desk):
    """Nothing is overspent, what was answered stays, and only the rest is asked afterwards."""
    cases = [case(f"c{n}", f"parcel {n}", "delivery") for n in range(60)]
    desk.suite("sort-message", f"budget_usd = 0.2\nconcurrency = 1\n{SUITE}", cases)
    async with desk.evals() as evals:
        ran = await evals.run("sort-message")
        assert ran.stopped
        assert ran.experiment.status is ExperimentStatus.STOPPED
        assert ran.experiment.cost_usd <= Decimal("0.2")
        answered = len(ran.results)
        assert 0 < answered < 60
        with pytest.raises(StateConflict, match="did not come to its end"):
            evals.accept(ran)
    desk.suite("sort-message", f"budget_usd = 50\nconcurrency = 1\n{SUITE}", cases)
    async with desk.evals() as evals:
        went_on = await evals.run("sort-message", resume=ran.experiment.id)
    assert went_on.experiment.id == ran.experiment.id
    assert len(went_on.results) == 60
    assert len(desk.asked) == 60
    assert not went_on.stopped


async def test_an_interrupted_experiment_goes_on_where_it_was(desk):
    """Results that were there are kept; a changed combination cannot go on."""
    cases = [case(f"c{n}", f"parcel {n}", "delivery") for n in range(20)]
    desk.suite("sort-message", f"concurrency = 1\n{SUITE}", cases)
    ids = []
    async with desk.evals() as evals:

        def stop(_) -> None:
            if len(desk.asked) == 7:
                task.cancel()

        task = asyncio.create_task(
            evals.run("sort-message", begun=lambda plan, _: ids.append(plan.asking.task), watch=stop)
        )
        with pytest.raises(asyncio.CancelledError):
            await task
        known = await evals._project.database.read(lambda tx: store.results(tx, ids[0]))
        assert len(known) >= 7
        ran = await evals.run("sort-message", resume=ids[0], mode="off")
        assert len(ran.results) == 20
        assert len(desk.asked) <= 21
        desk.cases("sort-message", cases[:5])
        with pytest.raises(StateConflict, match="data set"):
            await evals.run("sort-message", resume=ids[0])


async def test_a_failed_call_is_an_outcome_and_is_not_kept_when_it_may_pass(desk):
    """A refusal of what was said is kept on tape; a fault of the moment is asked again."""
    desk.answer = lambda text: 1 / 0 if "parcel" in text else {"queue": "nonsense"}
    async with desk.evals() as evals:
        ran = await evals.run("sort-message")
        errors = {one.case_id: one.outcome.error for one in ran.results}
        assert errors["b"] == "invalid_answer"
        assert errors["a"] not in ("", "invalid_answer")
        desk.asked.clear()
        again = await evals.run("sort-message")
    assert {one.case_id for one in again.results if one.outcome.taped} == {"b", "c", "d"}
    assert set(desk.asked) == {CASES[0]["inputs"]["text"]}


async def test_an_outage_is_told_and_is_no_baseline(desk):
    """Cases that could not be asked would hide what gets worse; asked again, only they cost something."""
    desk.answer = lambda text: 1 / 0 if "parcel" in text else None
    async with desk.evals() as evals:
        ran = await evals.run("sort-message")
        assert ran.verdict.notes[0].startswith("1 of 4 answers are missing, for no model could be asked")
        with pytest.raises(StateConflict, match="this is no baseline"):
            evals.accept(ran)
        strict = await evals.run("sort-message", mode="strict")
        assert "(--save-tape)" in strict.verdict.notes[0]
        with pytest.raises(StateConflict, match="1 of its 4 answers are missing"):
            evals.accept(strict)
        desk.answer = None
        again = await evals.run("sort-message")
        assert again.verdict.notes == ()
        evals.accept(again)


async def test_an_evaluator_that_judged_nothing_is_told(desk):
    """By a mistyped expectation nothing is compared, and nothing fails: that must not look like a pass."""
    silent = '[[evaluators]]\nkind = "exact"\nfield = "reason"\n'
    desk.suite("sort-message", SUITE + silent, CASES)
    async with desk.evals() as evals:
        ran = await evals.run("sort-message")
    assert [note.partition(":")[0] for note in ran.verdict.notes] == ["exact reason judged nothing"]


async def test_a_baseline_is_what_was_accepted(desk):
    """Nothing has changed after it; then a change is named, and a loss fails."""
    many = [case(f"p{n}", f"parcel {n}", "delivery") for n in range(30)]
    desk.cases("sort-message", many)
    async with desk.evals() as evals:
        assert evals.changed() == {"sort-message": ("no baseline",)}
        ran = await evals.run("sort-message")
        evals.accept(ran)
        assert evals.changed() == {}
        desk.cases("sort-message", [*many, case("new", "an invoice", "billing")])
        assert evals.changed() == {"sort-message": ("data set",)}
        desk.answer = lambda _: {"queue": "other"}
        worse = await evals.run("sort-message", mode="refresh")
    assert worse.verdict.kind is VerdictKind.FAIL
    ground = next(one for one in worse.verdict.grounds if one.name == "baseline")
    assert ground.kind is VerdictKind.FAIL
    assert worse.verdict.difference.only_after == ("new",)


async def test_evidence_is_of_exactly_this_combination(desk):
    """A pass counts for the version, models and cases it was made with, and for no other."""
    desk.cases("sort-message", [case(f"p{n}", f"parcel {n}", "delivery") for n in range(30)])
    desk.prompt("v2", (desk.root / "prompts/sort-message/v1.md").read_text() + "Be brief.\n")
    async with desk.evals() as evals:
        assert evals.evidence("sort-message", "v2") is None
        ran = await evals.run("sort-message")
        assert ran.verdict.kind is VerdictKind.PASS
        assert evals.evidence("sort-message", "v2") == ran.experiment
        assert evals.evidence("sort-message", "v1") is None
        path = evals.accept(ran)
        await evals._project.database.write(lambda tx: tx.execute(sa.text("DELETE FROM experiment_results")))
        await evals._project.database.write(lambda tx: tx.execute(sa.text("DELETE FROM experiments")))
        assert evals.evidence("sort-message", "v2").experiment_id == ran.experiment.id
        path.unlink()
        assert evals.evidence("sort-message", "v2") is None


async def test_every_suite_of_a_prompt_has_to_pass(desk):
    """One that was not run is no evidence, one that fails speaks against it."""
    desk.cases("sort-message", [case(f"p{n}", f"parcel {n}", "delivery") for n in range(30)])
    desk.suite("hard", SUITE, [case(f"h{n}", f"parcel {n}", "billing") for n in range(30)])
    async with desk.evals() as evals:
        await evals.run("sort-message")
        assert evals.evidence("sort-message", "v1") is None
        await evals.run("hard")
        assert evals.evidence("sort-message", "v1").verdict is VerdictKind.FAIL
        desk.suite("hard", SUITE, [case(f"h{n}", f"refund {n}", "billing") for n in range(30)])
        await evals.run("hard")
        assert evals.evidence("sort-message", "v1").verdict is VerdictKind.PASS


async def test_faults_of_a_data_set_are_told_with_their_lines(desk):
    """Nothing is asked; the rest is used where that is wanted."""
    file = desk.root / "evals/sort-message/cases.jsonl"
    file.write_text(file.read_text() + '{"id": "a", "inputs": {}}\nnot json\n{"id": "e", "input": {}}\n')
    async with desk.evals() as evals:
        with pytest.raises(ConfigurationError) as error:
            await evals.run("sort-message")
        for said in ("line 5", "line 6", "line 7", "'input'", "already"):
            assert said in str(error.value)
        assert desk.asked == []
        ran = await evals.run("sort-message", keep_going=True)
    assert [one.line for one in ran.plan.dataset.faults] == [5, 6, 7]
    assert len(ran.results) == 4


async def test_a_case_without_expectation_is_told_to_be_unjudged(desk):
    """Nobody can say whether it passed, so that the verdict is no pass."""
    desk.cases("sort-message", [*CASES[:1], case("e", "parcel", None)])
    async with desk.evals() as evals:
        ran = await evals.run("sort-message")
    assert [one.passed for one in ran.results] == [True, None]
    assert next(one for one in ran.verdict.grounds if one.name == "judged").kind is VerdictKind.INCONCLUSIVE


async def test_an_input_that_does_not_fit_the_prompt_fails_its_case_alone(desk):
    """The others are answered."""
    desk.cases(
        "sort-message", [*CASES, {"id": "e", "inputs": {"nonsense": 1}, "expected": {"queue": "other"}}]
    )
    async with desk.evals() as evals:
        ran = await evals.run("sort-message")
    assert ran.results[-1].outcome.error == "render_error"
    assert sum(one.passed is True for one in ran.results) == 3


async def test_unknown_names_are_told(desk):
    """With what could have been meant."""
    async with desk.evals() as evals:
        with pytest.raises(NotFound, match="no suite 'sort'"):
            await evals.run("sort")
        with pytest.raises(NotFound, match="v9"):
            evals.variant("sort-message", "v9")
        with pytest.raises(NotFound, match="exp_none"):
            await evals.run("sort-message", resume="exp_none")

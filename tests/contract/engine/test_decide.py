"""`app.decide` in real runs, on both databases: rules decide at once, people hours later, and each once."""

import asyncio
import itertools
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import BaseModel, field_validator

from roadworthy import App, Decision
from roadworthy.db.tables.review import decisions, review_items
from roadworthy.db.tables.workflows import actions
from roadworthy.errors import Forbidden, InvalidInput, Rejected, StateConflict
from roadworthy.review import Filter, Kind, Reviewer
from roadworthy.workflows import Decider
from roadworthy.workflows.context import current_run

SETTINGS = """
[models.main]
provider = "python"
function = "desk_model:ask"

[routes.default]
models = ["main"]

[workflows.refund]
bands = { proceed = 0.8, reject = 0.2 }
review_sample = { start = 0.5, floor = 0.05 }
review = { due_hours = 1, escalate_to = ["lead"], escalate_after_hours = 2 }
"""
PROMPT = "---\ninputs:\n  sure: float\n---\n# user\n{{ sure }}\n"
ANN = Reviewer("p-1", "Ann", frozenset({"reviewer"}))
BEN = Reviewer("p-2", "Ben", frozenset({"reviewer"}))
CLEO = Reviewer("p-3", "Cleo", frozenset({"lead"}))


class Refund(BaseModel):
    """What is decided on."""

    amount: int
    confidence: float | None = None
    tags: set[str] = set()

    @field_validator("amount")
    @classmethod
    def is_owed(cls, amount: int) -> int:
        """What no JSON schema says."""
        if amount < 0:
            message = "nobody is owed less than nothing"
            raise ValueError(message)
        return amount


class Desk:
    """A project, the processes that work for it, and what was done outside."""

    def __init__(self, make_app: Callable[..., App]) -> None:
        self.paid: list[tuple[str, int]] = []
        self.drawn: Iterator[float] = itertools.repeat(0.999_999)
        self._make_app = make_app

    def app(self, clock: Any = None, **overrides: Any) -> App:
        """Another process of the same project."""
        app = self._make_app(clock=clock, **overrides)
        app._decider = Decider(lambda: app.reviews, app._output_of, lambda: next(self.drawn))
        propose = app.prompt("propose", output=Refund)

        @app.action(irreversible=True)
        async def pay(decision: Decision[Refund], *, key: str = "") -> str:
            self.paid.append((key, decision.value.amount))
            return decision.by

        @app.step
        async def look(decision: Decision[Refund]) -> int:
            return decision.value.amount

        @app.workflow
        async def refund(sure: float, edge_case: str = "", conflict: bool = False) -> list[str]:
            answer = await propose(sure=sure)
            evidence = [{"title": "Terms", "text": "Refund within 30 days."}, "a note"]
            decision = await app.decide(
                answer, evidence=evidence, conflict=conflict, edge_case=edge_case or None
            )
            by = await pay(decision)
            return [by, decision.name, str(decision.value.amount), decision.verdict]

        @app.workflow
        async def unbanded(sure: float) -> str:
            return (await app.decide(await propose(sure=sure))).name

        @app.workflow
        async def tampered(sure: float) -> str:
            decision = await app.decide(await propose(sure=sure))
            decision.value.amount = 1_000_000
            return await pay(decision)

        @app.workflow
        async def caught(sure: float) -> str:
            decision = await app.decide(await propose(sure=sure))
            return "no" if decision.rejected else "yes"

        @app.workflow
        async def in_step(sure: float) -> int:
            return await look(await app.decide(await propose(sure=sure)))

        @app.workflow
        async def parent(sure: float) -> Any:
            return await refund(sure)

        @app.workflow
        async def parents(sure: list[float]) -> list[str]:
            found = await app.map(refund, sure, on_error="collect")
            return [type(one).__name__ for one in found]

        return app


@pytest.fixture
def desk(tmp_path: Path, make_app: Callable[..., App], monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """A project of which no process runs yet."""
    (tmp_path / "prompts" / "propose").mkdir(parents=True)
    (tmp_path / "prompts" / "propose" / "v1.md").write_text(PROMPT)
    names = ("tampered", "caught", "in_step")
    bands = "".join(f"\n[workflows.{name}]\nbands = {{ proceed = 0.8, reject = 0.2 }}\n" for name in names)
    (tmp_path / "roadworthy.toml").write_text(SETTINGS + bands)
    (tmp_path / "desk_model.py").write_text(
        "def ask(request):\n"
        "    sure = request.inputs['sure']\n"
        "    said = None if sure < 0 else sure\n"
        "    return {'amount': 7, 'confidence': said, 'tags': ['a', 'b', 'c']}\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    return Desk(make_app)


async def held(app: App, until: Callable[..., Any], handle: Any) -> Any:
    """The item that a run waits for, once the run is held by no process."""

    async def waits() -> bool:
        run = await handle.run()
        return run.status == "waiting" and str(run.waiting_for).startswith("signal:review")

    await until(waits, seconds=60)
    where = Filter(run_id=handle.id, kind=(Kind.DECISION,))
    return (await app.reviews.find(where, newest_first=True))[0]


async def rows(app: App, table: sa.Table) -> list[Any]:
    """Everything in a table."""
    return await app.database.read(lambda tx: list(tx.execute(sa.select(table))))


@pytest.mark.parametrize(
    ("given", "outcome"),
    [
        ({"sure": 0.8}, ["rule", "band", "7", "approved"]),
        ({"sure": 0.19}, "confidence 0.19 is below 0.2"),
    ],
)
async def test_a_rule_decides_where_the_bands_say(desk, given, outcome):
    """It proceeds, or ends the run as rejected; the record says on what grounds, and the act by which."""
    app = desk.app()
    async with app.running():
        handle = await app.runs.start("refund", given)
        if isinstance(outcome, str):
            with pytest.raises(Rejected, match=outcome):
                await handle.result(timeout_seconds=60)
            run = await handle.run()
            assert (run.status, run.error_kind) == ("rejected", None)
            assert outcome in run.skip_reason
        else:
            assert await handle.result(timeout_seconds=60) == outcome
        (made,) = await app.reviews.decisions_of(handle.id)
        acts = await rows(app, actions)
    assert (made.by, made.name, made.confidence, made.sampled) == ("rule", "band", given["sure"], False)
    assert (made.band_proceed, made.band_reject, made.asked_because) == (0.8, 0.2, None)
    assert [act.decision_id for act in acts] == ([made.id] if made.verdict == "approved" else [])
    assert len(desk.paid) == len(acts)


@pytest.mark.parametrize(
    ("workflow", "given", "because"),
    [
        ("refund", {"sure": 0.5}, "between 0.2 and 0.8"),
        ("refund", {"sure": 0.99, "conflict": True}, "in conflict"),
        ("refund", {"sure": 0.01, "edge_case": "above 500"}, "edge case: above 500"),
        ("refund", {"sure": -1}, "nobody says"),
        ("unbanded", {"sure": 0.99}, "no bands"),
    ],
)
async def test_a_person_is_asked_where_no_rule_may_decide(desk, until, workflow, given, because):
    """The item holds the answer with its evidence; the run waits in no process and goes on as decided."""
    app = desk.app()
    async with app.running():
        handle = await app.runs.start(workflow, given)
        item = await app.reviews.get((await held(app, until, handle)).id)
        assert because in item.reason
        assert item.question["value"]["amount"] == 7
        assert len(item.question["evidence"]) == (2 if workflow == "refund" else 0)
        assert not await app.reviews.decisions_of(handle.id)
        closed = await app.reviews.decide(item.id, "approve", by=ANN)
        assert (closed.status, closed.answered_by, closed.version) == ("approved", "Ann", 2)
        await handle.result(timeout_seconds=60)
        (made,) = await app.reviews.decisions_of(handle.id)
        assert (made.by, made.name, made.review_id, made.asked_because) == (
            "person",
            "Ann",
            item.id,
            item.reason,
        )
        assert (await app.reviews.get(item.id)).decision_id == made.id


async def test_an_edit_stands_in_the_answers_place_and_a_rejection_ends_the_run(desk, until):
    """The action acts on what the person wrote; after a no nothing acts."""
    app = desk.app()
    async with app.running():
        edited, rejected = [await app.runs.start("refund", {"sure": 0.5}) for _ in "ab"]
        first, second = [await held(app, until, one) for one in (edited, rejected)]
        with pytest.raises(InvalidInput, match="amount: must be a whole number"):
            await app.reviews.decide(first.id, "edit", value={"amount": "much"}, by=ANN)
        await app.reviews.decide(first.id, "edit", value={"amount": 3}, by=ANN)
        assert await edited.result(timeout_seconds=60) == ["person", "Ann", "3", "edited"]
        with pytest.raises(InvalidInput, match="why it is rejected"):
            await app.reviews.decide(second.id, "reject", by=ANN)
        await app.reviews.decide(second.id, "reject", note="Too late.", by=ANN)
        with pytest.raises(Rejected, match="Too late"):
            await rejected.result(timeout_seconds=60)
    assert [amount for _, amount in desk.paid] == [3]


async def test_an_edit_that_changes_nothing_is_an_approval(desk, until):
    """Whatever the order of keys."""
    app = desk.app()
    async with app.running():
        handle = await app.runs.start("refund", {"sure": 0.5})
        item = await app.reviews.get((await held(app, until, handle)).id)
        same = dict(reversed(item.question["value"].items()))
        assert (await app.reviews.decide(item.id, "edit", value=same, by=ANN)).status == "approved"


async def test_an_edit_of_the_right_schema_and_the_wrong_type_is_asked_about_again(desk, until):
    """The declared type has the last word: nothing acts on what it does not take."""
    app = desk.app()
    async with app.running():
        handle = await app.runs.start("refund", {"sure": 0.5})
        item = await held(app, until, handle)
        await app.reviews.decide(item.id, "edit", value={"amount": -3}, by=ANN)

        async def another() -> bool:
            return bool(await app.reviews.open_items())

        await until(another, seconds=60)
        again = await held(app, until, handle)
        assert (again.id != item.id, again.reason) == (True, "an edit was not of its type")
        await app.reviews.decide(again.id, "approve", by=ANN)
        assert await handle.result(timeout_seconds=60) == ["person", "Ann", "7", "approved"]
    assert [amount for _, amount in desk.paid] == [7]


async def test_a_held_run_outlives_its_process_and_goes_on_once(desk, until):
    """Decided while nothing runs, even by two at once: one verdict stands, and the act is done once."""
    first = desk.app()
    async with first.running():
        handle = await first.runs.start("refund", {"sure": 0.5})
        item = await held(first, until, handle)
    told: list[Exception] = []

    def decide(by: Reviewer) -> None:
        async def at_once() -> None:
            office = desk.app()
            async with office.running(work=False):
                barrier.wait()
                try:
                    await office.reviews.decide(item.id, "edit", value={"amount": int(by.id[-1])}, by=by)
                except StateConflict as conflict:
                    told.append(conflict)

        asyncio.run(at_once())

    barrier = threading.Barrier(2)
    threads = [threading.Thread(target=decide, args=(by,)) for by in (ANN, BEN)]
    await asyncio.to_thread(lambda: [one.start() for one in threads] and [one.join() for one in threads])
    second = desk.app()
    async with second.running():
        run, result = await second.runs.outcome(handle.id, timeout_seconds=60)
        (made,) = await second.reviews.decisions_of(handle.id)
    assert run.status == "succeeded"
    winner = {"Ann": 1, "Ben": 2}[made.name]
    assert [amount for _, amount in desk.paid] == [winner]
    assert result[2] == str(winner)
    (conflict,) = told
    assert conflict.details["decided_by"] == made.name
    assert conflict.details["verdict"] == "edited"


async def test_two_people_have_to_agree_where_two_are_asked(desk, until):
    """One verdict decides nothing and is shown to nobody; the same person has no second one."""
    app = desk.app(workflows__refund__review={"people": 2, "escalate_to": ["lead"]})
    async with app.running():
        handle = await app.runs.start("refund", {"sure": 0.5})
        item = await held(app, until, handle)
        after = await app.reviews.decide(item.id, "approve", by=ANN, expected_version=item.version)
        assert (after.status, after.version) == ("open", item.version)
        assert await app.reviews.verdicts(item.id, BEN) == []
        assert [one.by_name for one in await app.reviews.verdicts(item.id, ANN)] == ["Ann"]
        with pytest.raises(StateConflict, match="has given a verdict"):
            await app.reviews.decide(item.id, "reject", note="Or not.", by=ANN)
        await app.reviews.decide(item.id, "approve", by=BEN, expected_version=item.version)
        assert await handle.result(timeout_seconds=60) == ["people", "Ann and Ben", "7", "approved"]


async def test_when_two_disagree_the_next_role_decides(desk, until):
    """Neither of the two, and nobody of their role."""
    app = desk.app(workflows__refund__review={"people": 2, "escalate_to": ["lead"]})
    async with app.running():
        handle = await app.runs.start("refund", {"sure": 0.5})
        item = await held(app, until, handle)
        await app.reviews.decide(item.id, "approve", by=ANN)
        disputed = await app.reviews.decide(item.id, "reject", note="No receipt.", by=BEN)
        assert (disputed.status, disputed.roles, disputed.escalate_to) == ("open", ("lead",), ())
        with pytest.raises(Forbidden, match="takes the role 'lead' or 'owner'"):
            await app.reviews.decide(item.id, "approve", by=Reviewer("p-9", "Dan", frozenset({"reviewer"})))
        with pytest.raises(Forbidden):
            await app.reviews.decide(item.id, "approve", by=BEN)
        await app.reviews.decide(item.id, "edit", value={"amount": 4}, by=CLEO)
        assert await handle.result(timeout_seconds=60) == ["person", "Cleo", "4", "edited"]


async def test_a_cancelled_run_withdraws_its_item_and_a_resumed_one_opens_it_again(desk, until):
    """Nobody decides for a run that is over; one that goes on waits for the same item."""
    app = desk.app()
    async with app.running():
        handle = await app.runs.start("refund", {"sure": 0.5})
        item = await held(app, until, handle)
        await app.runs.cancel(handle.id)
        with pytest.raises(StateConflict, match="withdrawn"):
            await app.reviews.decide(item.id, "approve", by=ANN)
        await app.runs.resume(handle.id)
        again = await held(app, until, handle)
        assert (again.id, again.status) == (item.id, "open")
        await app.reviews.decide(item.id, "approve", by=ANN)
        assert (await handle.result(timeout_seconds=60))[1] == "Ann"


async def test_a_signal_of_somebody_else_decides_nothing(desk, until):
    """Whoever may signal runs has no say on their decisions."""
    app = desk.app()
    async with app.running():
        handle = await app.runs.start("refund", {"sure": 0.5})
        item = await held(app, until, handle)
        before = len(await app.runs.steps(handle.id))
        await app.runs.signal(handle.id, f"review:{item.id}", {"status": "approved"})

        async def woke() -> bool:
            return len(await app.runs.steps(handle.id)) > before

        await until(woke)
        await held(app, until, handle)
        assert desk.paid == []
        await app.reviews.decide(item.id, "approve", by=ANN)
        assert (await handle.result(timeout_seconds=60))[1] == "Ann"


async def test_a_value_that_changed_after_the_decision_is_not_acted_on(desk):
    """What was approved is what is done, or nothing is."""
    app = desk.app()
    async with app.running():
        handle = await app.runs.start("tampered", {"sure": 0.9})
        run = await app.runs.finished(handle.id, timeout_seconds=60)
    assert run.status == "dead"
    assert "its value has changed since" in run.error_message
    assert desk.paid == []


async def test_a_workflow_may_look_at_a_no_and_a_step_hands_it_on(desk):
    """Caught it is a result like any other; uncaught, also from a step or a child, it is no failure."""
    app = desk.app()
    async with app.running():
        assert await (await app.runs.start("caught", {"sure": 0.1})).result(timeout_seconds=60) == "no"
        for workflow in ("in_step", "parent"):
            handle = await app.runs.start(workflow, {"sure": 0.1})
            with pytest.raises(Rejected, match="is below"):
                await handle.result(timeout_seconds=60)
            assert (await handle.run()).status == "rejected"
        handle = await app.runs.start("parents", {"sure": [0.1, 0.9]})
        assert await handle.result(timeout_seconds=60) == ["Rejected", "list"]
        with pytest.raises(StateConflict, match="only a dead"):
            await app.runs.resume(handle.id)


@pytest.mark.parametrize(("sure", "wrong"), [(0.9, "edit"), (0.1, "approve")])
async def test_automatic_decisions_are_drawn_and_their_reviews_counted(desk, sure, wrong):
    """The draw is on record with its share before anybody looks; disagreement is a missed error."""
    desk.drawn = itertools.cycle([0.979, 0.981])
    app = desk.app()
    async with app.running():
        handles = [await app.runs.start("refund", {"sure": sure}) for _ in "abcd"]
        for handle in handles:
            await app.runs.finished(handle.id, timeout_seconds=60)
        made = [one for handle in handles for one in await app.reviews.decisions_of(handle.id)]
        assert sorted(one.sampled for one in made) == [False, False, True, True]
        assert {one.sample_share for one in made} == {0.98}
        first, second = await app.reviews.open_items()
        assert {first.kind, second.kind} == {Kind.SAMPLE}
        assert {first.decision_id, second.decision_id} == {one.id for one in made if one.sampled}
        agree = {"edit": "approve", "approve": "reject"}[wrong]
        await app.reviews.decide(first.id, agree, note="Right.", by=ANN)
        await app.reviews.decide(second.id, wrong, value={"amount": 1}, by=ANN)
        (stats,) = await app.reviews.stats("refund")
    quality = stats.quality
    assert (stats.automatic, stats.sampled, stats.waiting, stats.held) == (4, 2, 0, 0)
    assert (quality.reviewed, quality.errors, quality.watch.reviewed) == (2, 1, 2)
    assert stats.as_json()["share_so_far"] == 0.5


async def test_a_sample_outlives_its_run(desk):
    """What was decided without a person is looked at, whatever became of the run."""
    desk.drawn = itertools.repeat(0.0)
    app = desk.app()
    async with app.running():
        handle = await app.runs.start("tampered", {"sure": 0.9})
        await app.runs.finished(handle.id, timeout_seconds=60)
        (item,) = await app.reviews.open_items()
        assert (await app.reviews.decide(item.id, "approve", by=ANN)).status == "approved"


async def test_what_is_decided_in_a_dying_step_is_decided_once(desk, until):
    """The record is part of the step's own transaction: done again it finds what it stored."""
    app = desk.app()
    async with app.running():
        write, doubled = app.database.write, []

        async def twice(work: Any) -> Any:
            if current_run.get() is not None:  # a worker's claims are none of this
                doubled.append(work)
                await write(work)
            return await write(work)

        app.database.write = twice
        handle = await app.runs.start("refund", {"sure": 0.9})
        assert (await handle.result(timeout_seconds=60))[0] == "rule"
        handle = await app.runs.start("refund", {"sure": 0.5})
        item = await held(app, until, handle)
        await app.reviews.decide(item.id, "approve", by=ANN)
        await handle.result(timeout_seconds=60)
        assert doubled
        assert len(await rows(app, decisions)) == 2
        assert len(await rows(app, review_items)) == 1

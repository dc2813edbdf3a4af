"""Where money went: every grouping, savings, unknown prices, early exits; on both databases."""

import itertools

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roadworthy.monitoring import Dimension, Figures, Query, sum_of
from roadworthy.monitoring import costs as add_up

DAY_MS = 86_400_000
START_MS = 1_793_577_600_000  # 2026-11-02, a Monday
FAILED = {"status": "failed", "cost_micro_usd": 0, "cost_source": ""}


def test_a_call_that_asked_several_models_is_split_among_them(ledger):
    """Money goes to the model that took it; the call counts for the one that answered."""
    ledger.call(
        {"model": "small", "status": "failed", "cost_micro_usd": 30},
        {"model": "small", "status": "invalid", "cost_micro_usd": 50},
        {"model": "big", "cost_micro_usd": 900},
    )
    names = ("calls", "answered", "attempts", "cost_micro_usd", "input_tokens")
    assert ledger.figures("model", *names) == {"big": (1, 1, 1, 900, 100), "small": (0, 0, 2, 80, 200)}
    assert ledger.figures("workflow", *names) == {"answer_ticket": (1, 1, 3, 980, 300)}


def test_a_call_that_nobody_answered_counts_for_the_last_model(ledger):
    """Its money is not lost in the report, and it raises the cost of an answer."""
    ledger.call({"model": "small"})
    ledger.call({"model": "big", "status": "failed"}, {"model": "small", "status": "failed"}, status="failed")
    found = {row.key[0]: row.figures for row in ledger.costs("model").rows}
    assert (found["small"].calls, found["small"].answered, found["big"].calls) == (2, 1, 0)
    assert found["small"].cost_per_answer_usd == sum_of(ledger.costs().rows).cost_usd - found["big"].cost_usd


def test_of_a_hedged_call_the_faster_model_answered(ledger):
    """The one that was left costs its money and has no answer, whichever was asked last."""
    ledger.call({"model": "small"}, {"model": "big", "status": "cancelled", "cost_micro_usd": 7})
    assert ledger.figures("model", "answered", "cost_micro_usd") == {"small": (1, 1_000), "big": (0, 7)}


def test_an_escalated_call_was_answered_by_the_last_model(ledger):
    """The first model gave a valid answer too, but not a sure one; unless it was taken after all."""
    ledger.call({"model": "small"}, {"model": "big", "reason": "escalate"})
    assert ledger.figures("model", "calls") == {"big": 1, "small": 0}
    ledger.call({"model": "small"}, {"model": "big", "status": "failed"}, rung="small", provider="openai")
    assert ledger.figures("model", "calls") == {"big": 1, "small": 1}


def test_what_no_model_answered_counts_for_no_model(ledger):
    """Answers that were known, or that code gave, stand in a row of their own."""
    ledger.call(rung="cache", saved_micro_usd=700)
    ledger.call(rung="rule", rule="is_spam", saved_micro_usd=400)
    ledger.call({**FAILED, "model": "small"}, rung="cache", degraded=True, stale=True, saved_micro_usd=600)
    found = ledger.costs("model")
    assert {row.key[0]: row.figures.calls for row in found.rows} == {"": 3, "small": 0}
    assert (found.total.cache_answers, found.total.rule_answers) == (2, 1)
    assert found.total.saved_by_cache_micro_usd == 1_300
    assert found.total.saved_by_rules_micro_usd == 400


def test_only_answers_that_were_given_without_asking_are_counted_as_such(ledger):
    """Not a fallback rule after the models, and not a model that happens to be called `rule` or `cache`."""
    ledger.call({**FAILED}, rung="rule", rule="apologise", degraded=True)
    ledger.call(rung="rule", rule="apologise", degraded=True)
    ledger.call({"model": "rule", "cost_source": "free", "cost_micro_usd": 0})
    ledger.call({"model": "cache", "cost_source": "free", "cost_micro_usd": 0})
    total = ledger.costs().total
    assert (total.answered, total.rule_answers, total.cache_answers) == (4, 0, 0)


def test_prefix_caching_and_the_batch_lane_are_told_apart_by_the_attempt(ledger):
    """A batch that fell back to the live lane saved nothing by it; a prefix only written is a loss."""
    ledger.call({"lane": "provider-batch", "saved_micro_usd": 500}, lane="provider-batch")
    ledger.call(
        {"lane": "provider-batch", "status": "failed"}, {"saved_micro_usd": 20}, lane="provider-batch"
    )
    ledger.call({"saved_micro_usd": -5})
    names = ("saved_by_prefix_micro_usd", "saved_by_batch_micro_usd")
    assert ledger.figures("lane", *names) == {"provider-batch": (20, 500), "live": (-5, 0)}
    assert ledger.figures("model", *names) == {"small": (15, 500)}


def test_a_price_that_is_unknown_or_assumed_is_counted_by_itself(ledger):
    """Unknown is never shown as free, and an estimate never as a bill."""
    ledger.call({"cost_micro_usd": 0, "cost_source": "unknown"})
    ledger.call({"cost_micro_usd": 90, "cost_source": "estimate of genai-prices"})
    ledger.call({"cost_micro_usd": 10, "cost_source": "estimate after the process died", "status": "lost"})
    ledger.call({"cost_micro_usd": 0, "cost_source": "free"})
    total = ledger.costs().total
    assert (total.unknown_prices, total.assumed, total.assumed_micro_usd) == (1, 2, 100)
    assert ledger.costs("model").total == total


def test_filters_restrict_what_is_counted(ledger):
    """Workflow, tenant, prompt or version, environment, and time from and before."""
    ledger.call({"cost_micro_usd": 1}, workflow="sort")
    ledger.call({"cost_micro_usd": 2}, tenant="globex")
    ledger.call({"cost_micro_usd": 4}, prompt_version="draft-reply@v2")
    ledger.call({"cost_micro_usd": 8}, prompt_id="judge", prompt_version="judge@v1")
    ledger.call({"cost_micro_usd": 16}, environment="staging")
    ledger.call({"cost_micro_usd": 32}, at_ms=START_MS + DAY_MS)
    ledger.store()

    def cost(**options):
        return ledger.costs(**options).total.cost_micro_usd

    assert cost() == 63
    assert cost(workflow="sort") == 1
    assert cost(tenant="globex") == 2
    assert cost(prompt="draft-reply@v2") == 4
    assert cost(prompt="judge") == 8
    assert cost(environment="production") == 47
    assert cost(since_ms=START_MS + 1) == 32
    assert cost(until_ms=START_MS + DAY_MS) == 31
    assert cost(tenant="nobody") == 0


def test_the_filter_by_model_counts_only_what_that_model_was_asked(ledger):
    """Not the whole call: what another model took for it is not this one's."""
    ledger.call({"model": "small", "status": "failed", "cost_micro_usd": 30}, {"model": "big"})
    ledger.call({"model": "small", "cost_micro_usd": 5}, workflow="sort")
    found = ledger.costs("workflow", model="small")
    assert {row.key[0]: row.figures.cost_micro_usd for row in found.rows} == {"answer_ticket": 30, "sort": 5}
    assert (found.total.calls, found.total.attempts) == (1, 2)


def test_days_are_those_of_the_time_zone_also_when_clocks_change(ledger):
    """At half past midnight in Berlin it is the day before in UTC; a day of 25 hours is one day."""
    october_25_ms = START_MS - 8 * DAY_MS
    for hour in range(-3, 26):
        ledger.call({"cost_micro_usd": 1}, at_ms=october_25_ms + hour * 3_600_000)
    options = {"since_ms": october_25_ms - 3 * 3_600_000, "until_ms": START_MS}
    berlin = ledger.figures("day", "cost_micro_usd", timezone="Europe/Berlin", **options)
    assert berlin == {"2026-10-24": 1, "2026-10-25": 25, "2026-10-26": 3}
    utc = ledger.figures("day", "cost_micro_usd", **options)
    assert utc == {"2026-10-24": 3, "2026-10-25": 24, "2026-10-26": 2}


def test_rows_come_dearest_first_and_days_in_their_order(ledger):
    """What matters most is on top; a course of days is read from its beginning."""
    for day, cost in ((2, 5), (0, 1), (1, 9)):
        ledger.call({"cost_micro_usd": cost, "model": f"m{day}"}, at_ms=START_MS + day * DAY_MS)
    assert [row.key for row in ledger.costs("model").rows] == [("m1",), ("m2",), ("m0",)]
    assert [row.key[0] for row in ledger.costs("day").rows] == ["2026-11-02", "2026-11-03", "2026-11-04"]


def test_early_exits_are_priced_as_what_runs_with_calls_cost(ledger):
    """By workflow and reason; one that was skipped after a call is no early exit, and counts for the mean."""
    ledger.run({"cost_micro_usd": 1_000})
    ledger.run({"cost_micro_usd": 401}, status="skipped", skip_reason="too late")
    ledger.run({"cost_micro_usd": 99_999}, status="running")
    ledger.run({"cost_micro_usd": 99_999}, environment="staging")
    ledger.run({"cost_micro_usd": 99_999}, at_ms=START_MS - 1)
    ledger.run({"cost_micro_usd": 99_999, "cost_source": "estimate of settings"})
    ledger.run()
    for _ in range(3):
        ledger.run(status="skipped", skip_reason="spam", tenant="globex")
    ledger.run(status="skipped", skip_reason="duplicate")
    report = ledger.costs("workflow", environment="production")
    told = [(one.workflow, one.reason, one.runs, one.saved_micro_usd) for one in report.early_exits]
    assert told == [("answer_ticket", "spam", 3, 2_100), ("answer_ticket", "duplicate", 1, 700)]
    assert report.total.saved_by_exits_micro_usd == 2_800
    by_tenant = ledger.figures("tenant", "early_exits", "saved_by_exits_micro_usd", environment="production")
    assert by_tenant == {"acme": (1, 700), "globex": (3, 2_100)}
    of_globex = ledger.costs(tenant="globex", environment="production").total
    assert of_globex.saved_by_exits_micro_usd == 2_100


def test_what_an_early_exit_saved_is_unknown_where_no_run_made_a_call(ledger):
    """Unknown is not nothing: the runs are counted, and no amount is made up."""
    ledger.run({"cost_micro_usd": 1_000})
    ledger.run(workflow="sort", status="skipped", skip_reason="empty")
    ledger.run({"cost_micro_usd": 0, "cost_source": "unknown"}, workflow="route")
    ledger.run(workflow="route", status="skipped")
    report = ledger.costs("workflow")
    assert {one.workflow: one.saved_micro_usd for one in report.early_exits} == {"sort": None, "route": None}
    assert (report.total.early_exits, report.total.unpriced_exits) == (2, 2)
    assert {row.key[0] for row in report.rows} == {"answer_ticket", "sort", "route"}


def test_early_exits_made_no_call_so_a_prompt_or_model_has_none(ledger):
    """They stand in the row without a step or model, and are left out where one is asked for."""
    ledger.run({"cost_micro_usd": 1_000})
    ledger.run(status="skipped", skip_reason="spam")
    assert ledger.figures("step", "early_exits") == {"draft": 0, "": 1}
    assert ledger.figures(["model", "day"], "early_exits") == {"small 2026-11-02": 0, " 2026-11-02": 1}
    assert ledger.costs(prompt="draft-reply").total.early_exits == 0
    assert ledger.costs(model="small").early_exits == ()


def test_without_any_call_there_is_nothing_to_report(ledger):
    """No row, and a total of zeros."""
    assert ledger.costs("workflow", "model").rows == ()
    assert ledger.costs().total == Figures()


NAMES = st.sampled_from(["", "a", "b", "é/ü", "x" * 40])
ATTEMPTS = st.builds(
    dict,
    model=st.sampled_from(["small", "big"]),
    status=st.sampled_from(["succeeded", "failed", "invalid", "cancelled", "lost"]),
    lane=st.sampled_from(["live", "provider-batch"]),
    cost_micro_usd=st.integers(0, 2**53),
    saved_micro_usd=st.integers(-1_000, 10**12),
    input_tokens=st.integers(0, 10**9),
    cache_read_tokens=st.integers(0, 10**9),
    cost_source=st.sampled_from(["settings", "unknown", "estimate of settings", "free", ""]),
)
CALLS = st.tuples(
    st.lists(ATTEMPTS, max_size=3),
    st.builds(
        dict,
        at_ms=st.integers(START_MS, START_MS + 30 * DAY_MS - 1),
        status=st.sampled_from(["succeeded", "failed", "running", "put_off"]),
        workflow=NAMES,
        step=NAMES,
        tenant=NAMES,
        user_id=NAMES,
        task=NAMES,
        run_id=st.none() | NAMES,
        prompt_version=st.sampled_from(["p@v1", "p@v2"]),
        lane=st.sampled_from(["live", "provider-batch"]),
        saved_micro_usd=st.integers(0, 10**12),
    ),
    st.sampled_from(
        [{}, {"rung": "cache"}, {"rung": "rule", "rule": "f"}, {"rung": "cache", "degraded": True}]
    ),
)
EXITS = st.builds(
    dict,
    at_ms=st.integers(START_MS, START_MS + 30 * DAY_MS - 1),
    workflow=NAMES,
    tenant=NAMES,
    user_id=NAMES,
    skip_reason=st.none() | NAMES,
)
ENVIRONMENTS = itertools.count()


@given(
    st.lists(CALLS, max_size=8),
    st.lists(EXITS, max_size=4),
    st.lists(st.sampled_from(list(Dimension)), max_size=3, unique=True),
    st.none() | st.sampled_from(["small", "big"]),
)
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_grouping_adds_up_to_the_same_total(ledger, made, exits, by, model):
    """Rows sum to the total, the total is the same however it is split, and it is what lies in the tables."""
    environment = f"e{next(ENVIRONMENTS)}"
    money = 0
    for attempts, values, answered in made:
        ledger.call(*attempts, environment=environment, **values, **answered)
        money += sum(one["cost_micro_usd"] for one in attempts if model in (None, one["model"]))
    for values in exits:
        ledger.run(environment=environment, status="skipped", **values)
    ledger.run({"cost_micro_usd": 7, "model": "big"}, environment=environment, workflow="a")
    report = ledger.costs(*by, environment=environment, timezone="Europe/Berlin", model=model)
    assert sum_of(report.rows) == report.total
    assert report.total == ledger.costs(environment=environment, model=model).total
    assert report.total.cost_micro_usd == money
    assert report.total.early_exits == (len(exits) if model is None else 0)
    assert len({row.key for row in report.rows}) == len(report.rows)
    if model is None:
        assert report.total.calls == len(made)
        assert report.total.attempts == sum(len(attempts) for attempts, _, _ in made)


def test_large_sums_stay_exact(ledger):
    """Money is integers all the way: a sum that a float cannot hold comes out to the last micro-dollar."""
    ledger.call({"cost_micro_usd": 2**53})
    ledger.call({"cost_micro_usd": 1})
    query = Query(START_MS, START_MS + 1, (Dimension.MODEL,))
    assert ledger.costs().total.cost_micro_usd == 2**53 + 1
    assert ledger.database.read_now(lambda tx: add_up(tx, query)).total.cost_micro_usd == 2**53 + 1

"""Every run counts once, under what answered it, and every figure says what the record says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy.settings import RouteSettings, Settings
from roadworthy.testing.drill.figures import figures, percentile


def read(record, tmp_path, wrong=()):
    """The figures of all runs that have no parent."""
    settings = Settings(root=tmp_path, routes={"default": RouteSettings(models=["big"], timeout_seconds=10)})
    started = [run["id"] for run in record.runs if run["parent_run_id"] is None]
    tenants = dict.fromkeys(started, "drill")
    return figures(record.book(), settings, started, tenants, set(wrong), record.acts)


def test_a_run_counts_under_the_rung_of_its_last_call(record, tmp_path):
    """Earlier calls of the same run led to it, and are not what its user saw."""
    record.run("a")
    record.call("a", rung="small")
    record.call("a", rung="cache")
    assert read(record, tmp_path).answered == {"cache": 1}


def test_calls_of_child_runs_count_for_the_run_that_was_started(record, tmp_path):
    """A user sees the parent only."""
    record.run("a")
    record.run("child", parent_run_id="a")
    record.run("grandchild", parent_run_id="child")
    record.call("grandchild", rung="review")
    seen = read(record, tmp_path)
    assert (seen.runs, seen.answered) == (1, {"review": 1})


@pytest.mark.parametrize(
    ("status", "values", "expected"),
    [
        ("succeeded", {}, "no model needed"),
        ("skipped", {}, "skipped"),
        ("waiting", {"waiting_for": "later:draft"}, "later"),
        ("waiting", {"waiting_for": "signal:review:review_1"}, "review"),
        ("waiting", {"waiting_for": "signal:paid"}, "waiting"),
    ],
)
def test_a_run_without_a_call_that_ended_says_what_it_does(record, tmp_path, status, values, expected):
    """Who waits was answered with a promise; nobody was asked in vain."""
    record.run("a", status, **values)
    assert read(record, tmp_path).answered == {expected: 1}


def test_a_workflow_that_goes_its_own_way_is_told_apart(record, tmp_path):
    """The call failed, and its user got a result all the same."""
    record.run("a")
    record.call("a", rung=None, status="failed")
    assert read(record, tmp_path).answered == {"the workflow's own way": 1}


@pytest.mark.parametrize("kind", ["budget_spent", "throttled", "not_permitted", "try_later", "needs_person"])
def test_a_refusal_says_why(record, tmp_path, kind):
    """A user who is refused knows what the matter is."""
    record.run("a", "dead", error_kind=kind)
    assert (read(record, tmp_path).refused, read(record, tmp_path).dead) == ({kind: 1}, {})


def test_other_ends_are_dead_by_their_kind(record, tmp_path):
    """An error of the provider that reaches the user, and a run that never ended."""
    record.run("a", "dead", error_kind="unavailable")
    record.run("b", "running")
    assert read(record, tmp_path).dead == {"unavailable": 1, "unfinished": 1}


def test_wrong_answers_count_where_they_came_out_of_a_call(record, tmp_path):
    """One that a check threw away is none; one that was acted on is counted with its action."""
    for run in "abc":
        record.run(run)
    first = record.call("a")
    record.call("b", status="failed")
    record.call("c")
    record.act("a", "k", call_id=first)
    record.act("c", "l", irreversible=False, call_id="call-3")
    wrong = [("big", f"req_sim{number:012d}") for number in (1, 2, 3)]
    seen = read(record, tmp_path, wrong)
    assert (seen.wrong, seen.acted_on_wrong, seen.irreversible_on_wrong) == (2, 2, 1)


def test_late_is_over_the_time_of_route_or_run(record, tmp_path):
    """A call a second over the route's time, a run over its budget, and one over its deadline."""
    record.run("a")
    record.call("a", started_at=0, finished_at=11_001)
    record.run("b", over_budget=True)
    record.run("c", "dead", error_kind="run_timeout")
    record.run("d")
    record.call("d", started_at=0, finished_at=11_000)
    assert read(record, tmp_path).late == 3


def test_retries_are_a_share_of_first_requests(record, tmp_path):
    """A fallback is a first request to another model."""
    record.run("a")
    call = record.call("a")
    record.request(call, reason="retry", cost_micro_usd=5)
    record.request(call, reason="fallback", cost_micro_usd=2)
    seen = read(record, tmp_path)
    assert (seen.requests, seen.retries, seen.retry_share, seen.spent_micro_usd) == (3, 1, 0.5, 7)


def test_the_planted_run_is_in_no_figure(record, tmp_path):
    """It is not one of those that were started."""
    record.run("planted")
    record.call("planted")
    record.act("planted", "k")
    settings = Settings(root=tmp_path)
    seen = figures(record.book(), settings, [], {}, set(), record.acts)
    assert (seen.runs, seen.calls, seen.requests, seen.acts) == (0, 0, 0, 0)


def test_actions_under_the_same_key_are_told(record, tmp_path):
    """After a crash an action is asked for again; its key says that it is the same."""
    record.run("a")
    record.act("a", "k")
    record.act("a", "k", time_ms=15)
    seen = read(record, tmp_path)
    assert (seen.acts, seen.irreversible, seen.repeated_acts) == (2, 2, 1)


@given(st.lists(st.floats(0, 1000), min_size=1), st.floats(0, 1))
def test_a_percentile_is_one_of_the_values_with_enough_below_it(values, share):
    """Nearest rank: at least that share of the values is not larger."""
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-6


def test_nothing_has_no_percentile():
    """A drill in which no run ended has no times."""
    assert percentile([], 0.5) is None

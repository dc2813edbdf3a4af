"""Each sacred rule holds on a good record, and breaks on each record that breaks it."""

import pytest

from roadworthy.budgets import Account, Standing
from roadworthy.settings import Settings
from roadworthy.testing.drill.conduct import Conducted
from roadworthy.testing.drill.sacred import NAMES, Billed, rulings


@pytest.fixture
def good(record):
    """Two runs, two calls, one irreversible action, nothing wrong."""
    for run in "ab":
        record.run(run)
        record.call(run)
    record.act("a", "k", call_id="call-1")
    return record


def broken(record, tmp_path, *, billed=None, conducted=None, leaks=None):
    """The names of the rules that broke."""
    billed = {"big": Billed(2, 0)} if billed is None else billed
    said = rulings(
        record.book(), Settings(root=tmp_path), conducted or Conducted(), billed, record.acts, leaks or {}, 9
    )
    assert [one.name for one in said] == list(NAMES)
    return [one.name for one in said if not one.held]


def standing(spent, *, when_spent="close"):
    """An account with a limit of 100 micro-dollars."""
    account = Account("daily", "acme", "2026-11-21", 100, None, when_spent, 0.8, None)
    return Standing(account, spent_micro_usd=spent)


def test_a_good_record_breaks_no_rule(good, tmp_path):
    """All four hold."""
    assert broken(good, tmp_path) == []


def test_a_step_that_ended_twice_breaks_the_first(good, tmp_path):
    """Two attempts of one step that both succeeded."""
    good.step_attempts.append({"step_id": "step-1", "status": "succeeded"})
    assert broken(good, tmp_path) == [NAMES[0]]


def test_a_step_that_two_calls_answered_breaks_the_first(good, tmp_path):
    """The model was paid twice for one step."""
    good.calls.append(good.calls[0] | {"id": "call-9"})
    assert broken(good, tmp_path) == [NAMES[0]]


def test_an_action_after_it_was_done_breaks_the_first(good, tmp_path):
    """Asked for again before that is what the key is for; after that it is a second time."""
    good.act("a", "k", time_ms=15)
    assert broken(good, tmp_path) == []
    good.act("a", "k", time_ms=21)
    assert broken(good, tmp_path) == [NAMES[0]]


def test_a_billed_request_without_a_record_breaks_the_first(good, tmp_path):
    """Unless its worker was killed while calls were under way."""
    billed = {"big": Billed(3, 0)}
    assert broken(good, tmp_path, billed=billed) == [NAMES[0]]
    conducted = Conducted(open_calls=1, killed=True)
    assert broken(good, tmp_path, billed=billed, conducted=conducted) == []


def test_requests_on_another_model_s_record_explain_nothing(good, tmp_path):
    """Each provider's bill is held against its own record."""
    assert broken(good, tmp_path, billed={"big": Billed(1, 0), "spare": Billed(1, 0)}) == [NAMES[0]]


def test_an_account_above_its_limit_breaks_the_second(good, tmp_path):
    """At its limit it is spent; above it, overspent; where it stays open, that was allowed."""
    good.standings = [standing(100), standing(101, when_spent="open")]
    assert broken(good, tmp_path) == []
    good.standings.append(standing(101))
    assert broken(good, tmp_path) == [NAMES[1]]


def test_money_that_no_record_has_breaks_the_second(good, tmp_path):
    """What a provider bills must be in the books."""
    good.requests[0]["cost_micro_usd"] = 5
    assert broken(good, tmp_path, billed={"big": Billed(2, 5)}) == []
    assert broken(good, tmp_path, billed={"big": Billed(2, 6)}) == [NAMES[1]]


@pytest.mark.parametrize(("by", "name"), [("", ""), ("model", "big"), ("rule", "")])
def test_an_irreversible_action_nobody_stands_behind_breaks_the_third(good, tmp_path, by, name):
    """No decision, one by something else than a rule or a person, and a rule without a name."""
    good.act("b", "l", by=by, name=name)
    assert broken(good, tmp_path) == [NAMES[2]]


def test_a_reversible_action_needs_no_decision(good, tmp_path):
    """It may follow from a model's word."""
    good.act("b", "l", by="", irreversible=False)
    assert broken(good, tmp_path) == []


def test_a_leak_breaks_the_fourth(good, tmp_path):
    """One log line is enough."""
    assert broken(good, tmp_path, leaks={"the address": 1}) == [NAMES[3]]

"""Answers and decisions."""

import copy
import dataclasses
import pickle
from decimal import Decimal

import pytest
from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python

from roadworthy.calls import Answer, Decision
from roadworthy.calls import decision as decision_module
from roadworthy.errors import InvalidInput, Rejected
from roadworthy.records import Usage

ANSWER = Answer("yes", "call_1", "main", "ask@v1", "hash", "gpt", Usage(), Decimal(0), True, 0.1, 1)


def test_a_rule_decides_on_an_answer_and_keeps_its_call():
    """A decision on an answer holds the answer's value, the rule's name and the call."""
    decision = Decision.by_rule(ANSWER, rule="is-short", reason="3 letters")
    assert (decision.value, decision.by, decision.name) == ("yes", "rule", "is-short")
    assert (decision.reason, decision.call_id, decision.id) == ("3 letters", "call_1", None)
    assert not decision.rejected


def test_a_rule_decides_on_a_plain_value():
    """A decision on a value that no model gave has no call."""
    decision = Decision.by_rule(5, rule="fixed")
    assert (decision.value, decision.call_id) == (5, None)
    assert decision == Decision.by_rule(5, rule="fixed") != Decision.by_rule(6, rule="fixed")


def rejected(**about):
    """A decision on record that is a no."""
    told = {"by": "person", "name": "Ann", "reason": "Too late.", "call_id": None, "decision_id": "dec_1"}
    return decision_module.made(5, verdict="rejected", **{**told, **about})


def test_a_no_has_no_value():
    """Whoever goes on regardless is stopped with who said no, and why."""
    decision = rejected()
    assert decision.rejected
    with pytest.raises(Rejected, match=r"Rejected by person 'Ann': Too late\.") as told:
        _ = decision.value
    assert told.value.decision_id == "dec_1"


@pytest.mark.parametrize(
    "forge",
    [
        lambda one: Decision(5, 5, "person", "Ann"),
        lambda one: Decision(None, 5, "rule", "r"),
        copy.copy,
        copy.deepcopy,
        pickle.dumps,
        lambda one: dataclasses.replace(one, by="person"),
        lambda one: setattr(one, "by", "person"),
        lambda one: delattr(one, "reason"),
        lambda one: TypeAdapter(Decision[int]).validate_python(
            {"value": 5, "by": "person", "name": "Ann", "reason": "", "call_id": None}
        ),
        lambda one: TypeAdapter(Decision[int]).validate_python("yes"),
    ],
)
def test_nobody_makes_a_persons_decision_by_hand(forge):
    """Neither anew nor from another one; what is on record comes from `app.decide` alone."""
    with pytest.raises((InvalidInput, TypeError, AttributeError, ValidationError)):
        forge(Decision.by_rule(5, rule="fixed"))


@pytest.mark.parametrize("decision", [Decision.by_rule(5, rule="fixed"), rejected(), rejected(by="people")])
def test_a_step_may_return_a_decision(decision):
    """It is stored as what it says, also a no; its record has the last word when something acts on it."""
    adapter = TypeAdapter(Decision[int])
    assert adapter.validate_python(adapter.dump_python(decision, mode="json")) == decision
    assert to_jsonable_python({"it": decision})["it"]["value"] == 5


def test_a_decision_by_rule_is_stored_as_it_always_was():
    """Acts that began under an earlier release are recognised by what they were given."""
    assert to_jsonable_python(Decision.by_rule(5, rule="fixed")) == {
        "value": 5,
        "by": "rule",
        "name": "fixed",
        "reason": "",
        "call_id": None,
    }


def test_a_decision_needs_the_name_of_its_rule():
    """A rule without a name is refused with what to do."""
    with pytest.raises(InvalidInput, match="needs the rule's name"):
        Decision.by_rule(ANSWER, rule="  ")

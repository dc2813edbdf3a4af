"""Answers and decisions."""

from decimal import Decimal

import pytest

from roadworthy.calls import Answer, Decision
from roadworthy.errors import InvalidInput
from roadworthy.records import Usage

ANSWER = Answer("yes", "call_1", "main", "ask@v1", "hash", "gpt", Usage(), Decimal(0), True, 0.1, 1)


def test_a_rule_decides_on_an_answer_and_keeps_its_call():
    """A decision on an answer holds the answer's value, the rule's name and the call."""
    decision = Decision.by_rule(ANSWER, rule="is-short", reason="3 letters")
    assert decision == Decision("yes", "rule", "is-short", "3 letters", "call_1")


def test_a_rule_decides_on_a_plain_value():
    """A decision on a value that no model gave has no call."""
    assert Decision.by_rule(5, rule="fixed") == Decision(5, "rule", "fixed")


def test_a_decision_needs_the_name_of_its_rule():
    """A rule without a name is refused with what to do."""
    with pytest.raises(InvalidInput, match="needs the rule's name"):
        Decision.by_rule(ANSWER, rule="  ")

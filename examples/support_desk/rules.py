"""What the desk decides without a model: rules before it, and the rule that answers when it fails.

`triage` runs first and ends a ticket that no model should see: nothing to read, advertising, a danger, a
lawyer, somebody else's data, an attack on the model, a language or length that is not answered here. `ORDER`
matters: what must reach a person comes before everything that might hide it. `answer_from_handbook` is the
last rung: the short answer of the handbook where one section clearly fits, else a person.
"""

from collections.abc import Callable
from dataclasses import dataclass
from re import Pattern
from typing import Literal, TypeAlias

import patterns
from desk import LONGEST_REPLY, Reply, Ticket
from handbook import Section, pick, ranked
from words import has_hidden_text, language, visible

LONGEST = 1_200
"""Characters of a ticket that the model reads; a longer one goes to a person in whole."""
FAR_TOO_LONG = 100_000
"""Characters beyond which a ticket is not even cleaned."""
FEWEST_LETTERS = 2
ANSWERED_LANGUAGES = frozenset({"en"})
"""The small local model writes English only. Add languages with a model that knows them."""
MARKS_OF_SPAM = 2
RETURN_DAYS = 30
"""As the handbook says under Returns."""
MOST_QUESTIONS = 2
CLEAR_SCORE = 3.0
CLEAR_LEAD = 1.5
"""A section fits clearly when it scores this much, and this many times the second best."""

PRIVACY = "We never give out the name, address, orders or any other data of another customer."
OUT_OF_POLICY = "Unused items can be returned within 30 days of delivery, so we cannot take this one back."

_NUMBERS = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "eight": 8, "ten": 10}
_DAYS = {"day": 1, "week": 7, "month": 30, "year": 365}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a rule decided about a ticket."""

    rule: str
    """The rule's name, for example `safety`."""
    outcome: Literal["skip", "refuse", "hand_over"]
    message: str = ""
    """For the customer when refused, for the colleague when handed over."""


Rule: TypeAlias = Callable[[Ticket, str], Verdict | None]
"""Takes the ticket and its visible text; None when the rule has nothing to say."""


def triage(ticket: Ticket) -> Verdict | None:
    """What the rules say before any model is asked; None when they have nothing against asking."""
    if (length := len(ticket.subject) + len(ticket.text)) > FAR_TOO_LONG:
        return _too_long(length)
    text = visible(f"{ticket.subject}\n{ticket.text}")
    verdicts = (rule(ticket, text) for rule in ORDER)
    return next((verdict for verdict in verdicts if verdict is not None), None)


def _person_when(rule: str, pattern: Pattern[str], note: str) -> Rule:
    def look(_ticket: Ticket, text: str) -> Verdict | None:
        return Verdict(rule, "hand_over", f"{rule}: {note}") if pattern.search(text) else None

    return look


def _empty(_ticket: Ticket, text: str) -> Verdict | None:
    letters = sum(character.isalpha() for character in text)
    return Verdict("empty", "skip") if letters < FEWEST_LETTERS else None


def _long(_ticket: Ticket, text: str) -> Verdict | None:
    return _too_long(len(text)) if len(text) > LONGEST else None


def _too_long(length: int) -> Verdict:
    return Verdict("long", "hand_over", f"long: {length:,} characters, more than the model reads")


def _privacy(_ticket: Ticket, text: str) -> Verdict | None:
    return Verdict("privacy", "refuse", PRIVACY) if patterns.OTHER_PEOPLE.search(text) else None


def _spam(_ticket: Ticket, text: str) -> Verdict | None:
    marks = sum(bool(mark.search(text)) for mark in patterns.SPAM)
    return Verdict("spam", "skip") if marks >= MARKS_OF_SPAM else None


def _hidden_text(ticket: Ticket, _text: str) -> Verdict | None:
    hidden = has_hidden_text(ticket.subject + ticket.text)
    return Verdict("hidden_text", "hand_over", "hidden_text: invisible letters") if hidden else None


def _card_number(_ticket: Ticket, text: str) -> Verdict | None:
    note = "card_number: remove it, and tell the customer not to send any"
    return Verdict("card_number", "hand_over", note) if has_card_number(text) else None


def _language(_ticket: Ticket, text: str) -> Verdict | None:
    spoken = language(text)
    return None if spoken in ANSWERED_LANGUAGES else Verdict("language", "hand_over", f"language: {spoken}")


def _out_of_policy(_ticket: Ticket, text: str) -> Verdict | None:
    if not patterns.RETURN.search(text) or patterns.FAULT.search(text) or age_days(text) <= RETURN_DAYS:
        return None
    return Verdict("out_of_policy", "refuse", OUT_OF_POLICY)


ORDER: tuple[Rule, ...] = (
    _empty,
    _person_when("safety", patterns.SAFETY, "someone may be hurt or in danger: answer at once"),
    _person_when("threat", patterns.THREAT, "a threat against the desk"),
    _person_when("legal", patterns.LEGAL, "a legal step or a chargeback"),
    _long,
    _privacy,
    _spam,
    _hidden_text,
    _person_when("instructions", patterns.INSTRUCTIONS, "tells the model what to do"),
    _person_when("code", patterns.CODE, "contains code where words were expected"),
    _person_when("own_data", patterns.OWN_DATA, "the customer's own data, due within 30 days"),
    _person_when("claim", patterns.CLAIM, "something was promised, or an exception is asked for"),
    _person_when("abuse", patterns.ABUSE, "insults; a person finds the better tone"),
    _card_number,
    _language,
    _out_of_policy,
)


def has_card_number(text: str) -> bool:
    """Whether a number of 13 to 19 digits passes the Luhn check of payment cards."""
    return any(
        _luhn([int(digit) for digit in found if digit.isdigit()]) for found in patterns.CARD.findall(text)
    )


def _luhn(digits: list[int]) -> bool:
    doubled = [sum(divmod(digit * 2, 10)) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0 and len(set(digits)) > 1


def age_days(text: str) -> int:
    """The longest time ago that a text mentions, in days; 0 when it mentions none."""
    ages = [
        365 if last_year else int(_NUMBERS.get(count.lower(), 0) or count) * _DAYS[unit.lower()]
        for count, unit, last_year in patterns.AGE.findall(text)
    ]
    return max(ages, default=0)


def answer_from_handbook(ticket: Ticket, sections: tuple[Section, ...]) -> Reply:
    """What the one section that clearly fits says, else a person."""
    text = visible(f"{ticket.subject} {ticket.text}")
    best = ranked(sections, text)
    if not best:
        return Reply(outcome="hand_over", message="The handbook has nothing about it.")
    if text.count("?") > MOST_QUESTIONS:
        return Reply(outcome="hand_over", message="Several questions at once.")
    if best[0][0] < CLEAR_SCORE or (len(best) > 1 and best[0][0] < CLEAR_LEAD * best[1][0]):
        titles = " or ".join(section.title for _, section in best[:3])
        return Reply(outcome="hand_over", message=f"No one section clearly fits: {titles}.")
    passage = pick(sections, ticket, limit=1)[0]
    if len(passage.text) > LONGEST_REPLY:
        return Reply(outcome="hand_over", message=f"Needs more than the short answer of {passage.title}.")
    return Reply(outcome="answer", message=passage.text)

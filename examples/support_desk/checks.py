"""What a model's draft must pass before it may be sent. This is plain code; the model has no say in it.

The main check is that every sentence is a quote: whole clauses of the passages, in their own words. A small
model that paraphrases turns "without softener" into "with softener"; one that quotes cannot. The other checks
say more plainly what is wrong, and are those for a model that may paraphrase (`quotes_only=False`).
"""

import re
from collections.abc import Sequence

from desk import Passage, Reply, Ticket
from words import language, stems, visible, words

_FIGURE = re.compile(r"\d+(?:[.,]\d+)*")
FEWEST_WORDS = 4
"""A reply, or a part of a sentence that stands for the whole, with fewer words says nothing."""
SHOWN = 60
"""Characters of a sentence that a fault quotes."""

_CONTACT = re.compile(r"[\w.+-]+@[\w-]+\.\w+|https?://\S+|www\.\S+|\+?\d[\d /()-]{7,}\d", re.IGNORECASE)
_PROMISE = re.compile(
    r"\b(?:we|i)(?:'ve| have| already)+ (?:refunded|sent|cancelled|shipped|changed|booked|opened)\b"
    r"|\b(?:we|i)(?:'ll| will) (?:refund|give|pay|credit|cancel|make sure|contact|call)\b"
    r"|\bguarantee you\b|\bwe promise\b|\bfree of charge\b",
    re.IGNORECASE,
)
_ARTEFACT = re.compile(
    r"untrusted|\bsystem prompt\b|\binstructions?\b|\bas an ai\b|\blanguage model\b"
    r"|\bhandbook:|\bquestion:|[{}<>]",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_CLAUSE_START = frozenset({"and"})
_CLAUSE_END = frozenset({"and", "inside", "after"})
"""A quote may stop before these words and begin after `and`; elsewhere a cut could turn the meaning."""
_LEAD_INS = re.compile(r"^(?:(?:hello|hi|yes|thank you|thanks)[,.!]? +)+", re.IGNORECASE)


def faults(
    reply: Reply, ticket: Ticket, passages: Sequence[Passage], *, quotes_only: bool = True
) -> list[str]:
    """What is wrong with a draft, worst first; nothing when it may be sent."""
    if reply.outcome == "hand_over":
        return []  # is never sent
    message = visible(reply.message)
    source = " ".join(passage.text for passage in passages)
    found = [
        *_form(message, ticket),
        *_content(message, ticket, source),
        *(_not_quoted(message, passages) if quotes_only else []),
    ]
    return list(dict.fromkeys(found))


def _form(message: str, ticket: Ticket) -> list[str]:
    found: list[str] = []
    said = words(message)
    if len(said) < FEWEST_WORDS:
        found.append("says next to nothing")
    if message[-1:] not in {".", "!"}:
        found.append("asks back" if message.endswith("?") else "breaks off in the middle")
    asked = visible(f"{ticket.subject} {ticket.text}")
    if said and " ".join(said) in " ".join(words(asked)):
        found.append("repeats the customer's words")
    sentences = [" ".join(words(sentence)) for sentence in _SENTENCE_END.split(message)]
    if len(set(sentences)) < len(sentences):
        found.append("repeats itself")
    if language(message) != language(asked):
        found.append(f"is written in {language(message)!r}, the ticket in {language(asked)!r}")
    return found


def _content(message: str, ticket: Ticket, source: str) -> list[str]:
    found: list[str] = []
    if _ARTEFACT.search(message):
        found.append("speaks of its own instructions")
    if any(contact not in source for contact in _CONTACT.findall(message)):
        found.append("contains an address or number that is not in the handbook")
    if any(secret in message for secret in _CONTACT.findall(ticket.text)):
        found.append("repeats the customer's personal data")
    if (promise := _PROMISE.search(message)) and promise.group().lower() not in source.lower():
        found.append(f"promises something: {promise.group()!r}")
    invented = [figure for figure in _FIGURE.findall(message) if figure not in _FIGURE.findall(source)]
    if invented:
        found.append(f"names a figure that is not in the handbook: {invented[0]}")
    said = stems(message)
    if said and len(said & stems(source)) < len(said) / 2:
        found.append("is not about what the handbook says")
    return found


def _not_quoted(message: str, passages: Sequence[Passage]) -> list[str]:
    clauses = {clause for passage in passages for clause in _quotable(passage.text)}
    for sentence in _SENTENCE_END.split(_LEAD_INS.sub("", message)):
        if " ".join(words(sentence)) not in clauses:
            return [f"is not in the handbook's words: {_shortened(sentence)!r}"]
    return []


def _quotable(text: str) -> set[str]:
    """Every run of whole clauses of a text: its sentences, and what is left of them at a safe cut."""
    found: set[str] = set()
    for sentence in _SENTENCE_END.split(text):
        said = words(sentence)
        found.add(" ".join(said))
        starts = [0, *(index + 1 for index, word in enumerate(said) if word in _CLAUSE_START)]
        ends = [len(said), *(index for index, word in enumerate(said) if word in _CLAUSE_END)]
        found |= {
            " ".join(said[start:end]) for start in starts for end in ends if end - start >= FEWEST_WORDS
        }
    return found


def _shortened(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"

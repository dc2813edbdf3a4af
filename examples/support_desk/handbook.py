"""The handbook, cut at its headings, and how a passage is picked for a ticket: by plain words, no model.

A section scores by the phrases and words of its "Asked as" line, its title and its text that the ticket
contains. Its first paragraph is the short answer and always part of the passage; the second one comes along
when the ticket asks for something that only it mentions.
"""

from dataclasses import dataclass
from pathlib import Path

from desk import Passage, Ticket
from words import stems, visible, words

ASKED_AS = "> Asked as:"
WORTH_READING = 2.75
"""A section below this score has nothing to do with the ticket."""


@dataclass(frozen=True, slots=True)
class Section:
    """One heading of the handbook with what stands under it."""

    title: str
    asked_as: tuple[str, ...]
    """Words and phrases that customers use for it, in lower case."""
    paragraphs: tuple[str, ...]


def read_handbook(path: Path) -> tuple[Section, ...]:
    """The sections of the handbook, in order."""
    blocks = path.read_text(encoding="utf-8").split("\n## ")[1:]
    return tuple(_section(block) for block in blocks)


def _section(block: str) -> Section:
    title, *rest = [" ".join(part.split()) for part in block.split("\n\n") if part.strip()]
    asked_as = next((part.removeprefix(ASKED_AS) for part in rest if part.startswith(ASKED_AS)), "")
    return Section(
        title=title,
        asked_as=tuple(phrase.strip().lower() for phrase in asked_as.split(",") if phrase.strip()),
        paragraphs=tuple(part for part in rest if not part.startswith(">")),
    )


def score(section: Section, text: str) -> float:
    """How well a section fits a text; 0 when they share nothing."""
    asked = stems(text)
    running = f" {' '.join(words(text))} "
    phrases = sum(4 for phrase in section.asked_as if " " in phrase and f" {phrase} " in running)
    single = {stem for phrase in section.asked_as if " " not in phrase for stem in stems(phrase)}
    body = stems(" ".join(section.paragraphs))
    return phrases + 2 * len(asked & single) + len(asked & stems(section.title)) + 0.25 * len(asked & body)


def ranked(sections: tuple[Section, ...], text: str) -> list[tuple[float, Section]]:
    """The sections that are worth reading for a text, best first."""
    scored = [(score(section, text), section) for section in sections]
    return sorted(
        [pair for pair in scored if pair[0] >= WORTH_READING], key=lambda pair: pair[0], reverse=True
    )


def pick(sections: tuple[Section, ...], ticket: Ticket, *, limit: int = 2) -> list[Passage]:
    """The passages for a ticket, best first: the best section, and others that score nearly as well."""
    text = visible(f"{ticket.subject} {ticket.text}")
    best = ranked(sections, text)[:limit]
    return [
        Passage(title=section.title, text=_relevant(section, text), score=points)
        for points, section in best
        if points >= 0.75 * best[0][0]
    ]


def _relevant(section: Section, text: str) -> str:
    first, *others = section.paragraphs
    new = stems(text) - stems(first)
    return " ".join([first, *(paragraph for paragraph in others if new & stems(paragraph))])

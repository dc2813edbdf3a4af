"""`docs/telemetry.md` shows the tables of the code, row by row."""

from pathlib import Path

import pytest

from roadworthy.telemetry import EVENTS, SPAN_ATTRIBUTES

PAGE = Path(__file__).parents[3] / "docs" / "telemetry.md"


def event_rows():
    """The rows of the events' table."""
    for event in EVENTS.values():
        measures = ", ".join(
            f"`{measure.name}`{'?' if measure.optional else ''} ({measure.unit})"
            for measure in event.measures
        )
        attributes = ", ".join(
            f"`{attribute.name}`{'?' if attribute.optional else ''}" for attribute in event.attributes
        )
        level = {20: "info", 30: "warning", 40: "error"}[event.level]
        yield f"| `{event.name}` | {level} | {event.when} | {measures or '-'} | {attributes or '-'} |"


def attribute_rows():
    """The rows of the attributes' table."""
    for attribute in SPAN_ATTRIBUTES.values():
        yield f"| `{attribute.name}` | {', '.join(attribute.spans)} | {attribute.about} |"


@pytest.mark.parametrize(
    ("heading", "rows"),
    [("## Events", event_rows), ("## Attributes of spans", attribute_rows)],
    ids=["events", "attributes"],
)
def test_the_page_shows_exactly_the_table_of_the_code(heading, rows):
    """Each table row of the section is a row of the code, and the other way round, in the same order."""
    section = PAGE.read_text(encoding="utf-8").split(f"\n{heading}\n")[1].split("\n## ")[0]
    assert [line for line in section.splitlines() if line.startswith("| `")] == list(rows())

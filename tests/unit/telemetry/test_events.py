"""The table of events is complete and consistent, and what is emitted follows it."""

import ast
import logging
from decimal import Decimal
from pathlib import Path
from typing import get_args

import pytest

import roadworthy
from roadworthy.errors import Bug
from roadworthy.telemetry import EVENT_LOGGER, EVENTS, EventName, Telemetry
from roadworthy.telemetry.context import Bound
from roadworthy.telemetry.logs import ENVELOPE

STEP = {"run_id": "run_1", "step_id": "step_1", "step": "draft", "attempt": 1}


def example(event):
    """Fields that fit the event's table."""
    by_unit = {"seconds": 0.25, "usd": Decimal("0.000125"), "tokens": 7, "count": 3}
    by_kind = {str: "x", int: 1, bool: True}
    fields = {attribute.name: by_kind[attribute.kind] for attribute in event.attributes}
    return fields | {measure.name: by_unit[measure.unit] for measure in event.measures}


def test_every_name_has_its_row():
    """The names a type checker accepts are those of the table, in the same order."""
    assert get_args(EventName) == tuple(EVENTS)


def test_no_field_hides_a_key_of_the_line():
    """Fields are named once within an event, and never like a key of the envelope or of an exception."""
    for event in EVENTS.values():
        names = [field.name for field in (*event.attributes, *event.measures)]
        assert len(names) == len(set(names))
        assert not {*names} & {*ENVELOPE, "error_type", "error", "traceback"}
        assert all(attribute.kind in {str, int, bool} for attribute in event.attributes)


def test_a_measure_says_its_unit_in_its_name():
    """Seconds, dollars and tokens are told by the name alone."""
    for event in EVENTS.values():
        for measure in event.measures:
            if measure.unit != "count":
                assert measure.name.endswith(f"_{measure.unit}")


@pytest.mark.parametrize("event", EVENTS.values(), ids=lambda event: event.name)
def test_an_event_becomes_a_line_with_its_fields(log, event):
    """Every event of the table, as a log line at its level."""
    fields = example(event)
    Telemetry(strict=True).emit(event.name, **fields)
    (line,) = log.lines
    assert (line["logger"], line["message"]) == (EVENT_LOGGER, event.name)
    assert line["level"] == logging.getLevelName(event.level).lower()
    assert {key: line[key] for key in fields} == {
        key: float(value) if isinstance(value, Decimal) else value for key, value in fields.items()
    }


def test_optional_fields_may_be_none_and_are_left_out(log):
    """What is not known is not in the line."""
    Telemetry(strict=True).emit("run.cancelled", run_id="run_1", workflow="w", cost_usd=None)
    assert log.lines[0].keys() == {*ENVELOPE, "run_id", "workflow"}


@pytest.mark.parametrize(
    ("name", "fields", "fault"),
    [
        ("step.finish", STEP, "Did you mean 'step.finished'?"),
        ("step.started", {**STEP, "input": "help"}, "unknown field 'input'"),
        ("step.started", {"run_id": "run_1"}, "missing field 'step_id'"),
        ("step.started", {**STEP, "attempt": "1"}, "field 'attempt' cannot be a str"),
        ("step.finished", {**STEP, "duration_seconds": True}, "field 'duration_seconds' cannot be a bool"),
        (
            "step.finished",
            {**STEP, "duration_seconds": None},
            "field 'duration_seconds' cannot be a NoneType",
        ),
    ],
)
def test_a_wrongly_used_event_is_a_bug_in_tests_and_harmless_otherwise(log, name, fields, fault):
    """Strict telemetry raises and says what is wrong; otherwise what fits is logged, and nothing unknown."""
    with pytest.raises(Bug, match="emitted wrongly") as caught:
        Telemetry(strict=True).emit(name, **fields)
    assert fault in str(caught.value)
    Telemetry().emit(name, **fields)
    assert "help" not in log.text


def test_an_event_names_its_own_run_over_the_bound_one(log):
    """A worker that reports on another run than the one at hand is taken at its word."""
    telemetry = Telemetry()
    with telemetry.run_span(run_id="run_1", workflow="w"):
        telemetry.emit("run.cancelled", run_id="run_2", workflow="w")
    assert log.lines[0]["run_id"] == "run_2"


def test_numbers_that_json_cannot_say_become_text(log):
    """An infinite duration does not make the line unreadable."""
    Telemetry().emit("run.cancelled", run_id="run_1", workflow="w", duration_seconds=float("inf"))
    assert log.lines[0]["duration_seconds"] == "inf"


def test_a_failure_comes_with_class_and_frames(log):
    """`error=` adds what may be said about the exception."""
    try:
        raise KeyError("the ticket says: help")  # noqa: TRY301 - raised to have a traceback
    except KeyError as error:
        Telemetry().emit("step.failed", **STEP, duration_seconds=1.0, error_kind="KeyError", error=error)
    (line,) = log.lines
    assert line["error_type"] == "KeyError"
    assert "test_events.py" in line["traceback"]
    assert "says: help" not in line["error"]


def test_the_bound_ids_are_those_the_events_use():
    """A log pipeline can join lines and events on the same keys."""
    known = {field.name for event in EVENTS.values() for field in event.attributes}
    assert set(Bound._fields) <= known


@pytest.mark.slow
def test_the_package_emits_only_what_the_table_knows():
    """Every `emit` in the source names an event of the table and fields of that event."""
    package = Path(roadworthy.__file__).parent
    wrong = []
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(
                    func=ast.Attribute(attr="emit") | ast.Name(id="emit"),
                    args=[ast.Constant(str() as name), *_],
                ):
                    event = EVENTS.get(name)
                    known = {field.name for field in (*event.attributes, *event.measures)} if event else set()
                    used = {keyword.arg for keyword in node.keywords if keyword.arg not in {None, "error"}}
                    if event is None or used - known:
                        wrong.append(f"{path.name}:{node.lineno} {name} {used - known or ''}")
    assert not wrong

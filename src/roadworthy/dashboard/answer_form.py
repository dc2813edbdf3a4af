"""A form for an answer: its fields by the JSON schema, and the value that was typed back.

An object of plain fields (text, number, yes or no, one of several) has a field for each; plain text has one;
anything else is edited as JSON. What nobody touched comes back exactly as it was. What does not fit comes
back as it was typed: whoever takes the value says what is wrong with it.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from starlette.exceptions import HTTPException

from roadworthy.errors import InvalidInput
from roadworthy.records import Json
from roadworthy.service.strict import parse

Form = Mapping[str, list[str]]
_MOST_FIELDS = 60
_MOST_DIGITS = 300
_WIDE_CHARS = 70
_MOST_ROWS = 20
_ON = "on"
_KINDS: Mapping[str, Literal["text", "number", "boolean"]] = {
    "string": "text",
    "number": "number",
    "integer": "number",
    "boolean": "boolean",
}

_TAKES: Mapping[str, Any] = {"text": str, "number": int | float, "boolean": bool}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the form."""

    name: str
    """In the answer; empty where the field is the whole answer."""
    kind: Literal["text", "number", "boolean", "choice", "json"]
    original: str
    """What it shows before anybody types."""
    options: tuple[str, ...] = ()
    """Of a choice, as JSON."""
    said: str = ""
    """What the schema says of it."""
    is_nullable: bool = False
    is_required: bool = True
    is_there: bool = True
    """Whether there is a value to begin with."""

    @property
    def sent_as(self) -> str:
        """Its name in the form."""
        return f"value.{self.name}" if self.name else "value"

    @property
    def label(self) -> str:
        """For people."""
        return self.name.replace("_", " ").capitalize() or (
            "Answer (JSON)" if self.kind == "json" else "Answer"
        )

    @property
    def rows(self) -> int:
        """About how many lines it takes."""
        lines = self.original.split("\n")
        return min(_MOST_ROWS, max(2, sum(1 + len(line) // _WIDE_CHARS for line in lines)))

    def typed(self, form: Form) -> str:
        """What was typed into it."""
        return _one_newline(form.get(self.sent_as, [""])[0])


class AnswerForm:
    """The fields for answers of one schema, with a value to begin with or none."""

    def __init__(
        self, schema: Mapping[str, Any] | None, value: Json = None, *, is_empty: bool = False
    ) -> None:
        self._value: Json = {} if is_empty and schema is not None else value
        self._is_empty = is_empty
        plain = None if schema is None else _plain_fields(schema, self._value)
        if schema is None:
            text = value if isinstance(value, str) else ""
            self.fields = (Field("", "text", _one_newline(text), is_there=not is_empty),)
        elif plain is not None:
            self.fields = plain
        else:
            whole = "" if is_empty else json.dumps(value, indent=2, ensure_ascii=False)
            self.fields = (Field("", "json", whole, is_there=not is_empty),)

    def read(self, form: Form) -> Json:
        """The answer that was typed. Raises `InvalidInput` for what is no JSON where it has to be."""
        first = self.fields[0]
        if first.name:
            whole = dict(cast("Mapping[str, Json]", self._value))
            for field in self.fields:
                self._take(field, form, whole)
            return whole
        typed = first.typed(form)
        if typed == first.original and not self._is_empty:
            return self._value
        return typed if first.kind == "text" else _json(typed)

    def _take(self, field: Field, form: Form, whole: dict[str, Json]) -> None:
        typed = field.typed(form)
        if typed == field.original and field.is_there:
            return
        if not typed and not field.is_there and not field.is_required:
            return
        whole[field.name] = _value(field, typed)


def _plain_fields(schema: Mapping[str, Any], value: Json) -> tuple[Field, ...] | None:
    """A field for each property; None when one of them is more than a plain value."""
    properties = schema.get("properties")
    if schema.get("type") != "object" or not isinstance(properties, dict) or not isinstance(value, dict):
        return None
    known = cast("dict[str, Any]", properties)
    if not 0 < len(known) <= _MOST_FIELDS or not value.keys() <= known.keys():
        return None
    required = cast("list[str]", schema.get("required") or [])
    made: list[Field] = []
    for name, of in known.items():
        field = _plain_field(name, of, schema, value, is_required=name in required)
        if field is None:
            return None
        made.append(field)
    return tuple(made)


def _plain_field(
    name: str, of: Any, schema: Mapping[str, Any], value: Mapping[str, Json], *, is_required: bool
) -> Field | None:
    resolved = _resolved(of, schema)
    found, is_nullable = _without_null(resolved, schema)
    told: dict[str, Any] = {
        "said": str(resolved.get("description", "")),
        "is_nullable": is_nullable,
        "is_required": is_required,
        "is_there": name in value,
    }
    given = value.get(name)
    allowed = [found["const"]] if "const" in found else found.get("enum")
    if isinstance(allowed, list):
        options = tuple(json.dumps(one, ensure_ascii=False) for one in cast("list[Json]", allowed))
        if is_nullable:
            options = (*options, "null")
        original = json.dumps(given, ensure_ascii=False) if name in value else ""
        fits = original in options or not original
        return Field(name, "choice", original, options, **told) if fits else None
    kind = _KINDS.get(str(found.get("type")))
    original = _shown(given)
    if kind is None or original is None or not isinstance(given, _TAKES[kind] | None):
        return None
    if (kind == "boolean" and is_nullable) or (kind == "number" and isinstance(given, bool)):
        return None
    return Field(name, kind, original, **told)


def _shown(value: Json) -> str | None:
    """A plain value as its field shows it; None for one that is not plain."""
    if value is None or value is False:
        return ""
    if value is True:
        return _ON
    if isinstance(value, str):
        return _one_newline(value)
    return json.dumps(value) if isinstance(value, int | float) else None


def _value(field: Field, typed: str) -> Json:
    if field.kind == "boolean":
        return typed == _ON
    if field.kind == "choice":
        return json.loads(typed) if typed in field.options else typed
    if not typed and field.is_nullable:
        return None
    return typed if field.kind == "text" else _number(typed.strip())


def _number(typed: str) -> Json:
    """A number, or the text when it is none."""
    if len(typed) > _MOST_DIGITS:
        return typed
    for kind in (int, float):
        try:
            number = kind(typed)
        except ValueError:
            continue
        if math.isfinite(number):
            return number
    return typed


def _json(typed: str) -> Json:
    try:
        json.loads(typed)
    except json.JSONDecodeError as error:
        fault = f"the answer is no JSON: line {error.lineno}, column {error.colno}: {error.msg}"
        raise InvalidInput(fault, details={"faults": [fault]}) from None
    except (ValueError, RecursionError):
        pass  # the stricter look says so, too
    try:
        return parse(typed.encode())
    except HTTPException:
        fault = "the answer is no JSON that can be stored"
        raise InvalidInput(fault, details={"faults": [fault]}) from None


def _resolved(of: Any, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema of a property, behind a reference to a definition beside it."""
    found = cast("dict[str, Any]", of) if isinstance(of, dict) else {}
    reference = found.get("$ref")
    if not isinstance(reference, str):
        return found
    named: Any = schema.get("$defs")
    behind = (
        cast("dict[str, Any]", named).get(reference.removeprefix("#/$defs/"))
        if isinstance(named, dict)
        else None
    )
    return {**cast("dict[str, Any]", behind), **found} if isinstance(behind, dict) else {}


def _without_null(found: Mapping[str, Any], schema: Mapping[str, Any]) -> tuple[Mapping[str, Any], bool]:
    """A property that is something or null, as that something."""
    branches: Any = found.get("anyOf")
    if not isinstance(branches, list):
        return found, False
    each = [_resolved(one, schema) for one in cast("list[Any]", branches)]
    others = [one for one in each if one.get("type") != "null"]
    return (others[0], len(others) < len(each)) if len(others) == 1 else ({}, False)


def _one_newline(text: str) -> str:
    """Text with the line breaks that fields of a form have."""
    return text.replace("\r\n", "\n").replace("\r", "\n")

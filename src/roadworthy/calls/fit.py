"""Whether a value fits a JSON schema: `faults`, in words for the person or the model that gave the value.

Knows what Pydantic writes for a declared type, and OpenAI's strict schemas: references, unions, constants,
types, keys, items, lengths, bounds, patterns and formats. Any other keyword lets every value pass, and so
does whatever is not a schema. For a declared type that is enough: it has the last word itself. A schema that
has to be kept to the letter must have nothing that `unchecked` finds.
"""

from collections.abc import Generator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cache
from ipaddress import IPv4Address, IPv6Address
from typing import Annotated, Any, cast
from uuid import UUID

from pydantic import StringConstraints, TypeAdapter, ValidationError
from pydantic_core import SchemaError

from roadworthy.records import Json

Place = tuple[str, ...]
Found = tuple[Place, str]

_MOST_FAULTS = 8
_MOST_REFERENCES = 50
_MUST_BE = "must be "

TYPES: Mapping[str, str] = {
    "object": "an object",
    "array": "a list",
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "null": "null",
}


FORMATS: Mapping[str, Any] = {
    "date-time": datetime,
    "date": date,
    "time": time,
    "duration": timedelta,
    "uuid": UUID,
    "ipv4": IPv4Address,
    "ipv6": IPv6Address,
    "email": Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+$")],
    "hostname": Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*$")],
}


def faults(value: Json, schema: Mapping[str, Any]) -> list[str]:
    """What is wrong with `value`, 8 faults at most, each with its place; empty when nothing is."""
    try:
        found = Check(schema).value(value, schema, ())
    except RecursionError:
        return ["the answer is nested too deeply"]
    return [f"{'.'.join(place) or 'the answer'}: {fault}" for place, fault in found[:_MOST_FAULTS]]


class Check:
    """One schema, against which references are looked up."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root

    def value(self, value: Json, schema: Any, place: Place) -> list[Found]:
        """What is wrong with a value at this place of the whole."""
        schema = self._resolved(schema)
        found = [one for part in _schemas(schema.get("allOf")) for one in self.value(value, part, place)]
        branches = _schemas(schema.get("anyOf")) or _schemas(schema.get("oneOf"))
        if branches:
            found += self._any(value, branches, place)
        allowed = [schema["const"]] if "const" in schema else schema.get("enum")
        if isinstance(allowed, list):
            members = cast("list[Json]", allowed)
            if not any(_same(value, one) for one in members):
                found.append((place, f"{_MUST_BE}{' or '.join(repr(one) for one in members)}"))
            return found
        kinds = listed(schema.get("type"))
        if kinds and not any(_is(value, kind) for kind in kinds):
            found.append((place, f"{_MUST_BE}{' or '.join(TYPES.get(kind, kind) for kind in kinds)}"))
            return found
        return [*found, *self._inside(value, schema, place)]

    def _any(self, value: Json, branches: list[Any], place: Place) -> list[Found]:
        """Nothing where one branch fits; else the faults of the branch that came furthest."""
        tried = [self.value(value, branch, place) for branch in branches]
        if not all(tried):
            return []
        furthest = max(tried, key=lambda found: (_depth(found), -len(found)))
        told = dict.fromkeys(fault.removeprefix(_MUST_BE) for found in tried for _, fault in found)
        every = all(fault.startswith(_MUST_BE) for found in tried for _, fault in found)
        if _depth(furthest) > len(place) or not every:
            return furthest
        return [(place, f"{_MUST_BE}{' or '.join(told)}")]

    def _inside(self, value: Json, schema: Mapping[str, Any], place: Place) -> list[Found]:
        if isinstance(value, dict):
            return list(self._object(value, schema, place))
        if isinstance(value, list):
            return list(self._array(value, schema, place))
        if isinstance(value, str):
            return [
                (place, fault)
                for fault in (*_length(len(value), schema, "Length", "characters"), *_text(value, schema))
            ]
        if isinstance(value, bool) or value is None:
            return []
        return [(place, fault) for fault in _bounds(value, schema)]

    def _object(self, value: dict[str, Json], schema: Mapping[str, Any], place: Place) -> Generator[Found]:
        properties = schema.get("properties")
        known = cast("dict[str, Any]", properties) if isinstance(properties, dict) else {}
        others = schema.get("additionalProperties", True)
        for name in listed(schema.get("required")):
            if name not in value:
                yield (*place, name), "is missing"
        for name, part in value.items():
            if name in known:
                yield from self.value(part, known[name], (*place, name))
            elif others is False:
                yield (*place, name), f"is not asked for; known: {', '.join(known) or 'nothing'}"
            else:
                yield from self.value(part, others, (*place, name))

    def _array(self, value: list[Json], schema: Mapping[str, Any], place: Place) -> Generator[Found]:
        first = _schemas(schema.get("prefixItems"))
        for number, part in enumerate(value):
            inner = first[number] if number < len(first) else schema.get("items")
            yield from self.value(part, inner, (*place, str(number)))
        for fault in _length(len(value), schema, "Items", "items"):
            yield place, fault

    def resolves(self, schema: Mapping[str, Any]) -> bool:
        """Whether a reference leads to a schema."""
        return str(schema["$ref"]).startswith("#") and bool(self._resolved(schema))

    def _resolved(self, schema: Any) -> Mapping[str, Any]:
        """The schema behind a reference; what cannot be found, or is no schema, lets everything pass."""
        for _ in range(_MOST_REFERENCES):
            if not isinstance(schema, dict):
                return {}
            found = cast("dict[str, Any]", schema)
            reference = found.get("$ref")
            if not isinstance(reference, str):
                return found
            schema = self._root
            for part in reference.removeprefix("#").strip("/").split("/"):
                key = part.replace("~1", "/").replace("~0", "~")
                schema = cast("dict[str, Any]", schema).get(key) if isinstance(schema, dict) else None
        return {}


def _schemas(value: Any) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []


def listed(value: Any) -> list[str]:
    """The words of a keyword that takes one or several."""
    return [value] if isinstance(value, str) else [str(one) for one in _schemas(value)]


def _depth(found: list[Found]) -> int:
    return max(len(place) for place, _ in found)


def _same(value: Json, other: Json) -> bool:
    """Equal as JSON: 1 and 1.0 are, 1 and true are not."""
    return value == other and isinstance(value, bool) == isinstance(other, bool)


def _is(value: Json, kind: str) -> bool:
    """Whether a value is of one of JSON's types; true for a type that is not known here."""
    if isinstance(value, bool):
        fitting = ("boolean",)
    elif isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        fitting = ("integer", "number")
    else:
        kinds = {float: "number", str: "string", dict: "object", list: "array", type(None): "null"}
        fitting = (kinds[type(value)],)
    return kind in fitting or kind not in TYPES


def _limit(schema: Mapping[str, Any], name: str) -> float | None:
    limit = schema.get(name)
    return limit if isinstance(limit, int | float) else None


def _length(length: int, schema: Mapping[str, Any], of: str, what: str) -> Generator[str]:
    least, most = _limit(schema, f"min{of}"), _limit(schema, f"max{of}")
    if least is not None and length < least:
        yield f"has {length} {what}; at least {least} are asked for"
    if most is not None and length > most:
        yield f"has {length} {what}; at most {most} are allowed"


def _bounds(value: float, schema: Mapping[str, Any]) -> Generator[str]:
    least, most = _limit(schema, "minimum"), _limit(schema, "maximum")
    above, below = _limit(schema, "exclusiveMinimum"), _limit(schema, "exclusiveMaximum")
    if least is not None and value < least:
        yield f"{_MUST_BE}at least {least}"
    if most is not None and value > most:
        yield f"{_MUST_BE}at most {most}"
    if above is not None and value <= above:
        yield f"{_MUST_BE}more than {above}"
    if below is not None and value >= below:
        yield f"{_MUST_BE}less than {below}"
    step = _limit(schema, "multipleOf")
    if step and Decimal(str(value)) % Decimal(str(step)):
        yield f"{_MUST_BE}a multiple of {step}"


def _text(value: str, schema: Mapping[str, Any]) -> Generator[str]:
    pattern, form = schema.get("pattern"), schema.get("format")
    if isinstance(pattern, str) and not _fits(of_pattern(pattern), value):
        yield f"does not match {pattern!r}"
    if isinstance(form, str) and form in FORMATS and not _fits(_of_format(form), value):
        yield f"{_MUST_BE}of the format {form!r}"


def _fits(adapter: TypeAdapter[Any] | None, value: str) -> bool:
    if adapter is None:
        return True
    try:
        adapter.validate_strings(value, strict=True)
    except ValidationError:
        return False
    return True


def of_pattern(pattern: str) -> TypeAdapter[Any] | None:
    """Pydantic's way of patterns, which takes no longer for a hostile one; None for what it cannot read."""
    try:
        return TypeAdapter(Annotated[str, StringConstraints(pattern=pattern)])
    except SchemaError:
        return None


@cache
def _of_format(form: str) -> TypeAdapter[Any]:
    return TypeAdapter(FORMATS[form])

"""The values that a caller passes, turned into plain data and checked against what the prompt declares.

Pydantic models and dataclasses become dictionaries, tuples become lists, sets become sorted lists, enums
their values: nothing with behaviour of its own reaches a template, and the same inputs always give the same
bytes. Everything wrong is reported in one go, before any call.
"""

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Final, cast

from pydantic import BaseModel
from pydantic_core import PydanticSerializationError, to_jsonable_python

from roadworthy.errors import RenderError, did_you_mean
from roadworthy.prompts.version import InputSpec, InputType

_MAX_DEPTH: Final = 32
_MAX_INT_BITS: Final = 128
_SCALARS: Final = (int, float, Decimal, date)


class UnfitError(ValueError):
    """A value that cannot stand in a prompt; the message reads on from the input's name."""


def accept(prompt: str, specs: Mapping[str, InputSpec], given: Mapping[str, Any]) -> dict[str, Any]:
    """Plain values for every declared input, in the order of their names.

    Raises:
        RenderError: An input is missing, unknown, too long or of another type.
    """
    faults: list[str] = []
    values: dict[str, Any] = {}
    for name, spec in specs.items():
        if name in given:
            try:
                values[name] = fit(spec, given[name])
            except UnfitError as error:
                faults.append(f"Input {name!r} {error}")
        elif spec.optional:
            values[name] = spec.default
        else:
            faults.append(f"Input {name!r} is missing: pass {name}=….")
    faults += [
        f"Input {name!r} is not declared under 'inputs'. {did_you_mean(name, specs)}".rstrip()
        for name in given.keys() - specs.keys()
    ]
    if faults:
        raise RenderError(f"Prompt {prompt!r} cannot be rendered. " + " ".join(sorted(faults)))
    return values


def fit(spec: InputSpec, value: Any) -> Any:
    """The value as plain data of the declared type.

    Raises:
        UnfitError: It is of another type or too long.
    """
    if value is None and spec.optional:
        return spec.default
    value = plain(value)
    if spec.type == "date" and isinstance(value, str):
        value = _moment(value)
    if not _IS[spec.type](value):
        raise UnfitError(f"is {_kind(value)}, but the prompt declares {spec.type}.")
    if spec.max_chars is not None:
        chars = len(value) if isinstance(value, str) else len(to_json(value))
        if chars > spec.max_chars:
            raise UnfitError(
                f"has {chars:,} characters, but the prompt allows {spec.max_chars:,}: "
                "shorten it, or raise 'max_chars'."
            )
    return value


def plain(value: Any, depth: int = 0) -> Any:
    """Strings, numbers, dates, None, and lists and dictionaries of these.

    Raises:
        UnfitError: Something in it has no plain form.
    """
    kind = cast("type[object]", type(value))
    if kind is str or kind is bool or value is None:
        return value
    if depth > _MAX_DEPTH:
        raise UnfitError(
            f"is nested more than {_MAX_DEPTH} deep, or contains itself: pass only what the prompt needs."
        )
    if kind is dict:
        return _plain_items(value.items(), depth)
    if kind is list or kind is tuple:
        return [plain(item, depth + 1) for item in value]
    if isinstance(value, _SCALARS) and not isinstance(value, Enum):
        return _plain_scalar(value)
    return _plain_object(value, depth)


def _plain_scalar(value: float | Decimal | date) -> Any:
    if isinstance(value, int):
        if value.bit_length() > _MAX_INT_BITS:
            raise UnfitError(f"holds a whole number of more than {_MAX_INT_BITS} bits: pass it as text.")
        return int(value)
    if isinstance(value, float):
        value = float(value)
    if isinstance(value, float | Decimal) and not math.isfinite(value):
        raise UnfitError(
            f"holds {value}, which is not a number that can be written down: pass None or leave it out."
        )
    return value


def _plain_object(value: Any, depth: int) -> Any:
    if isinstance(value, str) and not isinstance(value, Enum):
        return str.__str__(value)
    if isinstance(value, bytes | bytearray | memoryview):
        raise UnfitError("holds bytes: decode them first, for example with .decode('utf-8', 'replace').")
    if isinstance(value, AbstractSet):
        return sorted((plain(item, depth + 1) for item in cast("AbstractSet[Any]", value)), key=to_json)
    if isinstance(value, Sequence) and not isinstance(value, Enum):
        return [plain(item, depth + 1) for item in cast("Sequence[Any]", value)]
    if is_dataclass(value) and not isinstance(value, type):
        return _plain_items(((each.name, getattr(value, each.name)) for each in fields(value)), depth)
    if isinstance(value, Mapping):
        return _plain_items(cast("Mapping[Any, Any]", value).items(), depth)
    return plain(_unwrapped(value), depth + 1)


def _unwrapped(value: Any) -> Any:
    """What an enum or a Pydantic model holds; the text of ids, paths, times of day and durations."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, BaseModel):
        return value.model_dump()
    if not isinstance(value, Iterable):  # an iterator may not end
        try:
            return to_jsonable_python(value)
        except PydanticSerializationError:
            pass
    raise UnfitError(f"holds {_kind(value)}, which has no plain form: pass text, numbers, lists or objects.")


def _plain_items(items: Iterable[tuple[Any, Any]], depth: int) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in items:
        name = key if type(key) is str else plain(key, depth + 1)
        if isinstance(name, int) and not isinstance(name, bool):
            name = str(name)
        if not isinstance(name, str):
            raise UnfitError(f"has {_kind(key)} as a key: use text.")
        if name in result:
            raise UnfitError("has two keys that read the same: use different text.")
        result[name] = plain(value, depth + 1)
    return result


def to_json(value: Any, *, sort: bool = True) -> str:
    """Compact JSON; dates and decimals are written as text."""
    return (_SORTED if sort else _AS_GIVEN).encode(value)


def require_unicode(values: Mapping[str, Any]) -> None:
    """Raise `UnfitError` where a text in these plain values is not valid Unicode."""
    for name, value in values.items():
        try:
            (value if isinstance(value, str) else to_json(value)).encode()
        except UnicodeEncodeError as error:
            raise UnfitError(
                f"Input {name!r} holds half a character (a lone surrogate), which cannot be sent: "
                "decode the text with errors='replace'."
            ) from error


def fingerprint_source(values: Mapping[str, Any]) -> bytes:
    """The bytes that stand for these inputs, whatever order they were passed in; they are valid Unicode."""
    return _TYPED.encode(values).encode()


def _moment(text: str) -> date | str:
    for kind in (date, datetime):
        try:
            return kind.fromisoformat(text)
        except ValueError:
            continue
    raise UnfitError("is not a date: write it like 2026-03-01, or pass a datetime.date.")


def _kind(value: Any) -> str:
    if value is None:
        return "None"
    name = {"dict": "object"}.get(type(value).__name__, type(value).__name__)
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)


_IS: Final[dict[InputType, Callable[[Any], bool]]] = {
    "str": lambda value: isinstance(value, str),
    "int": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "float": _is_number,
    "bool": lambda value: isinstance(value, bool),
    "date": lambda value: isinstance(value, date),
    "list": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
    "any": lambda _: True,
}


def _as_text(value: Any) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)


def _with_type(value: Any) -> dict[str, str]:
    return {f"${type(value).__name__}": _as_text(value)}


_AS_GIVEN = json.JSONEncoder(ensure_ascii=False, default=_as_text)
_SORTED = json.JSONEncoder(ensure_ascii=False, sort_keys=True, default=_as_text)
_TYPED = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=_with_type)
